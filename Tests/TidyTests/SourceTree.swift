import Foundation

/// One text file of the repository.
struct SourceFile: Sendable {
  /// Relative to the repository's root: `Sources/Apply/Lane.swift`.
  let path: String
  let lines: [Substring]

  init(_ path: String) throws {
    self.path = path
    let text = try String(contentsOf: SourceTree.root.appendingPathComponent(path), encoding: .utf8)
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// The folder under `Sources`: `Apply`.
  var room: String { String(path.split(separator: "/")[1]) }

  /// `path:line`, as editors open it; `index` counts from 0.
  func place(_ index: Int) -> String { "\(path):\(index + 1)" }

  /// The modules that the file imports, with the line's index.
  var imports: [(module: String, index: Int)] {
    lines.indices.compactMap { index in
      let words = lines[index].split(separator: " ")
      guard let position = words.firstIndex(of: "import"), position + 1 < words.count,
        words[..<position].allSatisfy({
          ["package", "public", "internal", "private", "@testable", "@preconcurrency", "@_exported"].contains($0)
        })
      else { return nil }
      // `import struct Module.Name` imports from Module.
      let last = words[words.count - 1]
      return (String(last.prefix { $0 != "." }), index)
    }
  }
}

/// The repository that these tests were compiled from.
enum SourceTree {
  static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  /// Paths of all files under `folders` with one of the name endings, sorted; files made by building are left out.
  static func paths(in folders: [String], endings: [String]) throws -> [String] {
    let all = try folders.flatMap { folder -> [String] in
      guard FileManager.default.fileExists(atPath: root.appendingPathComponent(folder).path) else { return [] }
      return try FileManager.default.subpathsOfDirectory(atPath: root.appendingPathComponent(folder).path)
        .map { "\(folder)/\($0)" }
    }
    return all.filter { path in endings.contains { path.hasSuffix($0) } }.sorted()
  }

  static func swiftFiles(in folders: [String] = ["Sources", "Tests"]) throws -> [SourceFile] {
    try paths(in: folders, endings: [".swift"]).map(SourceFile.init)
  }

  /// Every page for readers.
  static func pages() throws -> [SourceFile] {
    let top = try FileManager.default.contentsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".md") }
    return try (top.sorted() + paths(in: ["docs", "docker", "config", "bench"], endings: [".md"])).map(SourceFile.init)
  }
}
