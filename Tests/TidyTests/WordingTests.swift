import Foundation
import Testing

@Suite struct WordingTests {
  @Test("nothing is left for later") func openEnds() throws {
    let words = /\b(?:TODO|FIXME|XXX|HACK)\b/
    let scripts = try SourceTree.paths(in: ["scripts", "docker", "bench", "migrations", "config"], endings: [""])
    let texts = scripts.filter { !$0.contains("__pycache__") && !$0.hasSuffix("/") }.compactMap { try? SourceFile($0) }
    let files = try SourceTree.swiftFiles() + texts + SourceTree.pages()

    #expect(Self.places(of: words, in: files.filter { !$0.path.hasPrefix("Tests/TidyTests/") }) == [])
  }

  @Test("a type is named for what it is") func emptyNames() throws {
    let names = /\b(?:struct|class|enum|actor|protocol|typealias) \w*(?:Manager|Helpers?|Utils?|Utilities|Common)\b/

    #expect(Self.places(of: names, in: try SourceTree.swiftFiles()) == [])
  }

  @Test("nothing is public, since nobody outside the package uses it") func access() throws {
    let declaration = /^ *(?:public|open) +(?:\w+ +)*(?:struct|class|enum|actor|protocol|func|var|let|init)\b/

    #expect(Self.places(of: declaration, in: try SourceTree.swiftFiles()) == [])
  }

  @Test("an unchecked Sendable type says why it holds") func unchecked() throws {
    var problems: [String] = []
    for file in try SourceTree.swiftFiles() where !file.path.hasPrefix("Tests/TidyTests/") {
      for index in file.lines.indices where Self.code(file.lines[index]).contains("@unchecked Sendable") {
        let nearby = file.lines[max(0, index - 5)...min(index + 2, file.lines.count - 1)]
        if !nearby.contains(where: { $0.contains(/\/\/.*Sendable/) }) {
          problems.append("\(file.place(index)): no comment beside it begins with \"Sendable:\" and a reason")
        }
      }
    }

    #expect(problems == [])
  }

  /// A line without its comment.
  static func code(_ line: Substring) -> Substring {
    line.range(of: "//").map { line[..<$0.lowerBound] } ?? line
  }

  static func places(of pattern: some RegexComponent, in files: [SourceFile]) -> [String] {
    files.flatMap { file in
      file.lines.indices.filter { file.lines[$0].contains(pattern) }.map { "\(file.place($0)): \(file.lines[$0])" }
    }
  }
}
