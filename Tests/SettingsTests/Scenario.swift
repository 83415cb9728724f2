import Foundation
import Settings
import Testing

/// A configuration and what is said about it, from a text file in `Scenarios/`.
///
/// A scenario is `== name`, the configuration, `=> problems`, and one problem per line.
struct Scenario: Sendable, CustomTestStringConvertible {
  let file: String
  let name: String
  let configuration: String
  let problems: String

  var testDescription: String { "\(file): \(name)" }

  static let environment = ["WORD": "hunter2", "NUMBER": "99887766", "EMPTY": ""]

  static let all: [Scenario] = {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scenarios")
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.sorted().flatMap { file in
      let text = (try? String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)) ?? ""
      return text.components(separatedBy: "\n== ").dropFirst().compactMap { Scenario(file: file, $0) }
    }
  }()

  /// The scenarios of one file.
  static func of(_ file: String) -> [Scenario] { all.filter { $0.file == file } }

  private init?(file: String, _ text: String) {
    let parts = text.components(separatedBy: "\n=> problems\n")
    guard parts.count == 2, let end = parts[0].firstIndex(of: "\n") else { return nil }
    self.file = file
    name = String(parts[0][..<end])
    let given = String(parts[0][parts[0].index(after: end)...])
    configuration = file == "whole-files.txt" ? given : Self.completed(given)
    problems = parts[1].trimmingCharacters(in: .newlines)
  }

  /// Adds a correct section for each that is missing, after the lines that the scenario is about.
  private static func completed(_ text: String) -> String {
    let sections = [
      ("pipeline", "{ name: a }"), ("source", "{ type: postgres, url: 'postgresql://u@h/d', tables: [a.b] }"),
      ("sink", "{ type: postgres, url: 'postgresql://u@h/d' }"),
    ]
    let lines = text.split(separator: "\n")
    let missing = sections.filter { name, _ in !lines.contains { $0.hasPrefix("\(name):") } }
    return ([text] + missing.map { "\($0.0): \($0.1)" }).joined(separator: "\n")
  }
}

@Suite("What is said about a wrong file") struct ScenarioTests {
  @Test("each problem is named with its place and what was expected", arguments: Scenario.all)
  func problems(_ scenario: Scenario) {
    #expect(problemsOf(scenario.configuration, Scenario.environment) == scenario.problems)
  }

  @Test("no value from the environment and no part of a password is shown", arguments: Scenario.all)
  func secrets(_ scenario: Scenario) {
    for secret in ["hunter", "ter2", "99887766"] { #expect(!scenario.problems.contains(secret)) }
  }

  @Test("the scenarios are found") func count() {
    #expect(Scenario.all.count > 140)
  }
}

/// The problems of a configuration as the user sees them; empty when it is correct.
func problemsOf(_ text: String, _ environment: [String: String] = [:]) -> String {
  do throws(SettingsProblems) {
    _ = try PipelineSettings.parse(Array(text.utf8), file: "p.yaml", environment: environment)
    return ""
  } catch { return error.description }
}
