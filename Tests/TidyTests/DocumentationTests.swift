import Foundation
import Testing

@Suite struct DocumentationTests {
  @Test("every link in the documentation leads somewhere") func links() throws {
    var problems: [String] = []
    for page in try SourceTree.pages() {
      for index in page.lines.indices {
        for match in page.lines[index].matches(of: /\]\(([^)\s]+)\)/) where !match.1.contains(":") {
          if !Self.resolves(String(match.1), from: page) { problems.append("\(page.place(index)): \(match.1)") }
        }
      }
    }

    #expect(problems == [])
  }

  @Test("every example in config/ is described in the documentation") func examples() throws {
    let text = try SourceTree.pages().flatMap(\.lines).joined(separator: "\n")
    let examples = try SourceTree.paths(in: ["config"], endings: [".yaml", ".yml"])

    #expect(examples.filter { !text.contains($0.split(separator: "/").last!) } == [])
  }

  @Test("every page under docs/ can be reached from the README") func reachable() throws {
    let pages = Dictionary(uniqueKeysWithValues: try SourceTree.pages().map { ($0.path, $0) })
    var reached: Set<String> = []
    var queue = ["README.md"]
    while let path = queue.popLast() {
      guard let page = pages[path], reached.insert(path).inserted else { continue }
      let links = page.lines.flatMap { $0.matches(of: /\]\(([^)#\s]+)/).map { String($0.1) } }
      queue += links.filter { !$0.contains(":") }.map { Self.target($0, from: page) }
    }

    #expect(pages.keys.filter { $0.hasPrefix("docs/") && !reached.contains($0) }.sorted() == [])
  }

  @Test("code on the page about extending is that of the examples") func excerpts() throws {
    let page = try SourceFile("docs/extending.md")
    let examples = try SourceTree.swiftFiles(in: ["docs/extending"]).map { $0.lines.joined(separator: "\n") }
    let blocks = page.lines.joined(separator: "\n").components(separatedBy: "\n```").filter { $0.hasPrefix("swift\n") }
      .map { String($0.dropFirst("swift\n".count)) }.filter { !$0.hasPrefix("// Package.swift") }

    #expect(blocks.count > 1)
    #expect(blocks.filter { block in !examples.contains { $0.contains(block) } } == [])
  }

  /// The path from the root of the repository that a link on a page means.
  static func target(_ link: String, from page: SourceFile) -> String {
    let folder = page.path.split(separator: "/").dropLast()
    var parts = folder.map(String.init)
    for part in link.split(separator: "/") {
      if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
    }
    return parts.joined(separator: "/")
  }

  static func resolves(_ link: String, from page: SourceFile) -> Bool {
    let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let path = parts[0].isEmpty ? page.path : target(parts[0], from: page)
    guard FileManager.default.fileExists(atPath: SourceTree.root.appendingPathComponent(path).path) else {
      return false
    }
    guard parts.count > 1, path.hasSuffix(".md") else { return true }
    return (try? SourceFile(path))?.lines.contains { $0.hasPrefix("#") && anchor($0) == parts[1] } == true
  }

  /// A heading's anchor as GitHub makes it: lower case, spaces as hyphens, punctuation dropped.
  static func anchor(_ heading: Substring) -> String {
    let title = heading.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
    return String(title.compactMap { $0 == " " ? "-" : $0.isLetter || $0.isNumber || "-_".contains($0) ? $0 : nil })
  }
}
