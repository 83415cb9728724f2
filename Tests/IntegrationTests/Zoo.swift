import Foundation
import PenstockTestKit
import Testing

/// Tables as applications of many kinds have them, from the files in `Zoo/`.
enum Zoo {
  static let styles: [String] = {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".sql") }.sorted()
  }()

  private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Zoo")

  /// SQL that makes all tables and some rows in each.
  static func schema() throws -> String {
    let files = try styles.map { try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8) }
    let extensions = ["citext", "hstore", "ltree", "btree_gist"].map { "CREATE EXTENSION \($0);\n" }
    return "SET client_min_messages = warning;\n" + extensions.joined() + files.joined(separator: "\n")
      + "\nRESET ALL;\n"
  }

  /// Changes the tables until the task is cancelled; its last transaction has ended then.
  ///
  /// - Parameter changes: kinds of changes to the schema, made all the time.
  /// - Throws: `Refused` when the server refuses something for another reason than a constraint.
  static func write(to database: TestDatabase, seed: UInt64, changes: [ZooChange] = []) async throws {
    var values = ZooValues(random: SeededGenerator(seed: seed))
    var writer = ZooWriter(try ZooTable.all(in: database), seed: seed)
    let folder = try temporaryDirectory("zoo")
    var round = 0
    while !Task.isCancelled {
      round += 1
      // What the other writer changes is seen too.
      if !changes.isEmpty { writer = ZooWriter(try ZooTable.all(in: database), seed: values.random.next()) }
      let change = changes.isEmpty ? nil : values.pick(changes)
      let file = "\(folder)/\(round).sql"
      try Data(writer.script(transactions: 25, change: change).utf8).write(to: URL(fileURLWithPath: file))
      let process = try ChildProcess(
        database.cluster.program("psql"), ["-Xqf", file, database.cluster.url(database: database.name)])
      // To its end even if the task is cancelled.
      while process.isRunning { try? await Task.sleep(for: .milliseconds(20)) }
      let refused = process.standardError.split(separator: "\n").filter {
        !Self.isExpected($0, hasChanges: !changes.isEmpty)
      }
      guard process.status == .exited(0), refused.isEmpty else {
        throw Refused(script: file, output: refused.joined(separator: "\n"))
      }
      try FileManager.default.removeItem(atPath: file)
    }
  }

  /// What a transaction may be refused for: constraints, deadlocks, and computed values that overflow; with changes to
  /// the schema also columns that are gone or have another type.
  private static func isExpected(_ line: Substring, hasChanges: Bool) -> Bool {
    line.isEmpty || line.contains(/ERROR:  (?:23|40|25P02|3B001|22003|27000)/)
      || hasChanges && line.contains(/ERROR:  (?:42703|42P01|42804|42701)/)
  }

  struct Refused: Error, CustomStringConvertible {
    let script: String
    let output: String

    var description: String { "the source refused statements of \(script): \(output)" }
  }
}
