import Testing

@Suite struct LengthTests {
  static let fileLinesMax = 400
  static let functionLinesMax = 70

  @Test("no file is longer than 400 lines") func files() throws {
    let cFiles = try SourceTree.paths(in: ["Sources", "Tests", "bench"], endings: [".c", ".h"]).map(SourceFile.init)
    let long = try (SourceTree.swiftFiles() + cFiles).filter { $0.lines.count - 1 > Self.fileLinesMax }

    #expect(long.map { "\($0.path): \($0.lines.count - 1) lines" } == [])
  }

  @Test("no function is longer than 70 lines") func functions() throws {
    let problems = try SourceTree.swiftFiles().flatMap { file in
      Self.functions(in: file.lines).filter { $0.lines > Self.functionLinesMax }
        .map { "\(file.place($0.index)): \($0.lines) lines" }
    }

    #expect(problems == [])
  }

  /// Each function with a body: where it starts and how many lines it takes, both braces included.
  ///
  /// In formatted source the closing brace stands alone at the declaration's indentation.
  static func functions(in lines: [Substring]) -> [(index: Int, lines: Int)] {
    let declaration = /^( *)(?:[@a-z_()\w.]+ )*(?:func |init[?(<]|deinit\b|subscript[(<])/
    return lines.indices.compactMap { start in
      guard !lines[start].contains("//"), let match = lines[start].firstMatch(of: declaration),
        !(lines[start].hasSuffix("}") && lines[start].contains("{"))
      else { return nil }
      let end = match.1 + "}"
      guard let last = lines[start...].firstIndex(where: { $0 == end }) else { return nil }
      return (start, last - start + 1)
    }
  }

  @Test("the length of a function counts from its declaration to its brace") func functionLength() {
    let lines = """
      struct S {
        package static func short() -> Int { 1 }
        init?(
          a: Int
        ) {
          if a > 0 {
            return nil
          }
        }
      }
      """.split(separator: "\n", omittingEmptySubsequences: false)

    #expect(Self.functions(in: lines).map(\.lines) == [7])
  }
}
