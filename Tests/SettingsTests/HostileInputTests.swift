import Foundation
import PenstockTestKit
import Settings
import Testing

@Suite("Hostile input") struct HostileInputTests {
  static func problems(_ bytes: [UInt8]) -> String? {
    do throws(SettingsProblems) {
      _ = try PipelineSettings.parse(bytes, file: "p.yaml", environment: ["A": "b"])
      return nil
    } catch { return error.description }
  }

  /// A long correct file that uses every kind of setting.
  static let full = Array(PipelineSettingsTests.fullText.utf8)

  @Test(
    "bytes that are no printable UTF-8 are refused with their place",
    arguments: [
      ([0xFF, 0xFE, 0x61, 0x00], "p.yaml:1:1: not valid UTF-8; expected a UTF-8 text"),
      ([0x61, 0x3A, 0x0A, 0xC3, 0x28], "p.yaml:2:1: not valid UTF-8; expected a UTF-8 text"),
      ([0xC3, 0xA4, 0x80], "p.yaml:1:2: not valid UTF-8; expected a UTF-8 text"),
      ([0xED, 0xA0, 0x80], "p.yaml:1:1: not valid UTF-8; expected a UTF-8 text"),
      ([0x61, 0x00], "p.yaml:1:2: a control character (U+0000); expected printable text"),
      ([0x61, 0x0A, 0x62, 0x1B], "p.yaml:2:2: a control character (U+001B); expected printable text"),
      ([0x7F], "p.yaml:1:1: a control character (U+007F); expected printable text"),
    ] as [([UInt8], String)])
  func unreadable(bytes: [UInt8], expected: String) {
    #expect(Self.problems(bytes) == expected)
  }

  @Test("a byte order mark is no problem") func byteOrderMark() {
    #expect(Self.problems([0xEF, 0xBB, 0xBF] + Self.full) == nil)
  }

  @Test("every beginning of a file gives problems or settings, never a trap") func truncation() {
    for length in 0..<Self.full.count { _ = Self.problems(Array(Self.full[..<length])) }
    #expect(Self.problems(Self.full) == nil)
  }

  @Test("random changes to a file give problems or settings, never a trap") func mutation() {
    var random = SeededGenerator()
    let interesting = Array("{}[]:,-?*&!|>%@`'\"#$\n\t \\~0.".utf8) + [0x00, 0x80, 0xC3, 0xFF]
    for _ in 0..<500 {
      var bytes = Self.full
      for _ in 0..<Int.random(in: 1...8, using: &random) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[index] = interesting.randomElement(using: &random) ?? 0
        case 1: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: index)
        case 2: bytes.remove(at: index)
        default: bytes[index] = UInt8.random(in: 0...255, using: &random)
        }
      }
      _ = Self.problems(bytes)
    }
  }

  @Test("random texts give problems, never a trap") func noise() {
    var random = SeededGenerator()
    let alphabet = Array("ab:-{}[],'\"\n  \t*&!|>%@?#${}".utf8)
    for _ in 0..<500 {
      let count = Int.random(in: 0...80, using: &random)
      let bytes = (0..<count).map { _ in alphabet.randomElement(using: &random) ?? 0 }
      #expect(Self.problems(bytes) != nil)
    }
  }

  @Test("a connection URL of random characters never traps and is never shown") func urls() {
    var random = SeededGenerator()
    let alphabet = Array("qz:/@?=&%[],#2f+.")
    for _ in 0..<500 {
      let count = Int.random(in: 0...30, using: &random)
      let noise = String((0..<count).map { _ in alphabet.randomElement(using: &random) ?? "q" })
      let text = """
        pipeline: { name: a }
        source: { type: postgres, url: "postgresql://\(noise)", tables: [a.b] }
        sink: { type: postgres, url: "postgresql://u@h/d" }
        """
      if noise.contains("qz") { #expect(Self.problems(Array(text.utf8))?.contains("qz") != true) }
    }
  }

  @Test("thousands of problems are cut short") func manyProblems() {
    let text = (0..<5000).map { "key\($0): \($0)\n" }.joined()

    let lines = Self.problems(Array(text.utf8))?.split(separator: "\n") ?? []

    #expect(lines.count == 201)
    #expect(lines.last == "and 4803 more problems")
  }

  @Test("deep nesting ends early, however deep it goes", arguments: ["[", "{a: ", "- ", "? "])
  func nesting(_ opening: String) {
    let text = String(repeating: opening, count: 200_000)

    #expect(Self.problems(Array(text.utf8))?.contains("nested more than 16 levels deep") == true)
  }
}

@Suite("Files") struct FileTests {
  static func problems(_ path: String) -> String {
    do throws(SettingsProblems) {
      _ = try PipelineSettings.load(path: path, environment: [:])
      return ""
    } catch { return error.description }
  }

  /// A folder for one test, and a file in it.
  static func file(_ content: Data) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("penstock-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let file = folder.appendingPathComponent("p.yaml")
    try content.write(to: file)
    return file
  }

  @Test("a file that is not there is named") func missing() {
    #expect(Self.problems("/no/such/p.yaml") == "/no/such/p.yaml: cannot be opened: No such file or directory")
  }

  @Test("a folder is no file") func folder() {
    #expect(Self.problems("/") == "/: cannot be read: Is a directory")
  }

  @Test("a file that must not be read is named", .enabled(if: geteuid() != 0, "root may read every file"))
  func forbidden() throws {
    let file = try Self.file(Data("a".utf8))
    defer { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: file.path)

    #expect(Self.problems(file.path) == "\(file.path): cannot be opened: Permission denied")
  }

  @Test("a file without end is refused") func endless() {
    #expect(Self.problems("/dev/zero") == "/dev/zero: larger than 1 MiB; expected a configuration file")
  }

  @Test("a file of 1 MiB is read, and one byte more is refused") func largest() throws {
    let padding = String(repeating: "#", count: (1 << 20) - PipelineSettingsTests.fullText.utf8.count - 1)
    let text = PipelineSettingsTests.fullText + "\n" + padding
    let file = try Self.file(Data(text.utf8))
    let larger = try Self.file(Data((text + "#").utf8))
    defer { for file in [file, larger] { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) } }

    #expect(text.utf8.count == 1 << 20)
    #expect(!Self.problems(file.path).contains("larger"))
    #expect(Self.problems(larger.path) == "\(larger.path): larger than 1 MiB; expected a configuration file")
  }
}
