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

  /// The only rooms that programs outside the package see.
  static let publicRooms = ["Sources/Penstock/", "Sources/PenstockExtensions/"]

  @Test("nothing is public but what a program of others needs") func access() throws {
    let declaration =
      /\b(?:public|open)\b(?:\(set\))? +(?:\w+ +)*(?:struct|class|enum|actor|protocol|func|var|let|init|import|extension|typealias)\b/
    let files = try SourceTree.swiftFiles().filter { file in !Self.publicRooms.contains { file.path.hasPrefix($0) } }
    let code = Self.places(of: declaration, in: files).filter {
      !$0.contains("///") && !$0.contains("Tests/TidyTests/")
    }

    #expect(code == [])
  }

  @Test("the rooms of the public depend on nothing of the other rooms but to run them") func publicSurface() throws {
    let imports = try SourceTree.swiftFiles(in: ["Sources/Penstock", "Sources/PenstockExtensions"]).flatMap { file in
      file.lines.filter { $0.contains(/^(?:@\w+ )?public import\b/) }.map(String.init)
    }

    #expect(imports == ["@_exported public import PenstockExtensions"])
  }

  /// OpenSSL frees its locks in `exit`, while a thread that ends at that moment uses them: the process then dies of
  /// SIGSEGV in place of ending with its code.
  @Test("a program ends by _exit") func exits() throws {
    let calls = Self.places(of: /(?:^|[^\w.])exit\(/, in: try SourceTree.swiftFiles(in: ["Sources"]))

    #expect(calls.filter { !$0.contains("//") && !$0.contains("`exit`") } == [])
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
