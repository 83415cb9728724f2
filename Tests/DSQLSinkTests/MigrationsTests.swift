import ChangeModel
import DSQLSink
import Foundation
import Migrations
import PenstockTestKit
import Postgres
import Testing

@Suite("State tables")
struct MigrationsTests {
  private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("migrations")

  private func session() throws -> Connection {
    let cluster = try TestCluster.shared
    let database = try cluster.createDatabase()
    return try Connection(
      ConnectionSettings(
        role: .sink,
        parameters: [("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", database)]))
  }

  @Test("the list is the folder, file by file")
  func list() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
      .sorted()

    #expect(Migration.all.map { "\($0.name).sql" } == files)
    #expect(Migration.all.map(\.version) == Array(1...files.count))
    for migration in Migration.all {
      let text = try String(contentsOf: folder.appendingPathComponent("\(migration.name).sql"), encoding: .utf8)
      #expect(migration.sql == text)
      #expect(migration.name.hasPrefix(String(repeating: "0", count: 4 - "\(migration.version)".count)))
    }
  }

  @Test("they can be applied again and again, and after breaking off anywhere", arguments: 0...9)
  func repeated(done: Int) throws {
    let session = try session()
    for migration in Migration.all.prefix(done) { try session.query(migration.sql) }
    let store = StateStore(pipeline: "p")

    for _ in 0..<2 { try store.migrate(session) }

    #expect(try store.exists(session))
    let versions = try session.query("SELECT version FROM penstock.migration ORDER BY 1").values.map { $0[0] }
    #expect(versions == Migration.all.map { "\($0.version)" })
  }

  @Test("the state of a newer version is refused")
  func newer() throws {
    let session = try session()
    try StateStore(pipeline: "p").migrate(session)
    try session.query("INSERT INTO penstock.migration VALUES (999, 'later')")
    let failure = #expect(throws: Failure.self) { try StateStore(pipeline: "p").migrate(session) }
    #expect(failure?.message.contains("version 999") == true)
    #expect(failure?.hint == "Run the newer version.")
  }
}
