/// A place in a text file; lines and columns count from 1, columns in characters.
struct Mark: Hashable, Comparable, Sendable {
  var line: Int
  var column: Int

  static let start = Mark(line: 1, column: 1)

  static func < (a: Mark, b: Mark) -> Bool { a.line == b.line ? a.column < b.column : a.line < b.line }
}

/// One thing that is wrong with a configuration file.
package struct SettingsProblem: Hashable, Sendable, CustomStringConvertible {
  /// Where in the file; `nil` when the file as a whole is meant.
  let mark: Mark?
  /// The setting, such as `sink.retry.max-delay` or `route[0].sink-table`; empty when none is meant.
  package let path: String
  /// What is wrong, what was expected, and the nearest valid name. Never holds a secret's value.
  package let message: String
  let file: String

  /// `file:line:column: path: message`, without the parts that do not apply.
  package var description: String {
    let place = mark.map { "\(file):\($0.line):\($0.column)" } ?? file
    return path.isEmpty ? "\(place): \(message)" : "\(place): \(path): \(message)"
  }
}

/// Everything that is wrong with a configuration file, in the order of the file.
package struct SettingsProblems: Error, Sendable, CustomStringConvertible {
  /// More are not kept; a file with so many is not meant for us.
  static let limit = 200

  /// Sorted by position; problems of the file as a whole come first.
  package let all: [SettingsProblem]
  /// How many there were beyond those kept.
  package let omitted: Int

  init(_ problems: [SettingsProblem]) {
    // Sorting by position and then by arrival keeps the order the same from run to run.
    let sorted = problems.enumerated().sorted { a, b in
      let first = a.element.mark ?? Mark(line: 0, column: 0)
      let second = b.element.mark ?? Mark(line: 0, column: 0)
      return first == second ? a.offset < b.offset : first < second
    }
    all = sorted.prefix(Self.limit).map(\.element)
    omitted = max(0, problems.count - Self.limit)
  }

  /// One problem per line.
  package var description: String {
    let lines = all.map(\.description) + (omitted > 0 ? ["and \(omitted) more problems"] : [])
    return lines.joined(separator: "\n")
  }
}
