import ChangeModel
import DSQLSink
import PenstockTestKit
import Postgres
import Runtime
import Testing

@testable import Operations

@Suite("Dead letters are replayed once, and never over a newer row")
struct DeadLetterQueueTests {
  private let session: Connection
  private let queue: DeadLetterQueue

  init() throws {
    let cluster = try TestCluster.shared
    let database = try cluster.createDatabase()
    let settings = ConnectionSettings(
      role: .sink,
      parameters: [("host", "127.0.0.1"), ("port", "\(cluster.port)"), ("user", "postgres"), ("dbname", database)])
    session = try Connection(settings)
    queue = DeadLetterQueue(pipeline: "p", try Connection(settings))
    try StateStore(pipeline: "p").migrate(session)
    try session.query(
      "CREATE TABLE t (id int PRIMARY KEY, v varchar(5), w text); CREATE TABLE b (id int, v varchar(5))")
  }

  private func park(
    _ id: String, _ operation: String, _ row: String, key: String? = #"{"id":"1"}"#, table: String = "t",
    copies: Int = 1
  ) throws {
    try session.query(
      """
      INSERT INTO penstock.dead_letter VALUES ('p', $1, 'public.' || $2, 'public.' || $2, $3, $4, '0/1#1', '22001', 'why',
      1, $5::int, $6, 'parked', now())
      """, [id, table, key, operation, String(copies), row])
  }

  private func replay(_ id: String) throws -> String {
    let entry = try queue.letters([id], among: queue.list(waiting: false))[0]
    switch try queue.replay(entry) {
    case .written: return "written"
    case .passed: return "passed"
    case .refused(let failure): return "refused \(failure.state?.code ?? "")"
    }
  }

  private func state(_ id: String) throws -> [String?] {
    try session.query("SELECT state, attempts FROM penstock.dead_letter WHERE id=$1", [id])[0]
  }

  @Test("each operation as it was meant")
  func operations() throws {
    try session.query("INSERT INTO t VALUES (1, 'old', 'kept'), (2, 'b', 'c'), (3, 'c', 'd')")
    try park("a1", "upsert", #"{"id":"1","v":"new","w":null}"#)
    try park("a2", "patch", #"{"id":"2","v":"part"}"#, key: #"{"id":"2"}"#)
    try park("a3", "delete", #"{"id":"3"}"#, key: #"{"id":"3"}"#)
    try park("a4", "upsert", #"{"id":"4","v":"ü\"\\","w":"\u0001"}"#, key: #"{"id":"4"}"#)
    try park("b1", "add", #"{"id":"7","v":null}"#, key: nil, table: "b", copies: 3)

    for id in ["a1", "a2", "a3", "a4", "b1"] { #expect(try replay(id) == "written") }

    #expect(
      try session.query("SELECT * FROM t ORDER BY id").values == [
        ["1", "new", nil], ["2", "part", "c"], ["4", "ü\"\\", "\u{1}"],
      ])
    #expect(try session.query("SELECT * FROM b").values == [["7", nil], ["7", nil], ["7", nil]])
    #expect(try state("a1") == ["replayed", "2"])
    #expect(try replay("a1") == "passed")
    #expect(try queue.list(waiting: true).isEmpty)
  }

  @Test("a row that is refused again stays, with one more attempt")
  func refused() throws {
    try park("a1", "upsert", #"{"id":"1","v":"too long","w":null}"#)

    #expect(try replay("a1") == "refused 22001")
    #expect(try state("a1") == ["parked", "2"])
    try session.query("ALTER TABLE t ALTER v TYPE text")
    #expect(try replay("a1") == "written")
  }

  @Test("bytes that are no text are not replayed")
  func bytes() throws {
    try park("a1", "upsert", #"{"id":"1","v":{"hex":"ff"}}"#)

    #expect(throws: Failure.self) { try replay("a1") }
    #expect(try state("a1") == ["parked", "1"])
  }

  @Test("a lane that writes a newer row at the same moment wins", arguments: [true, false])
  func race(laneIsFirst: Bool) async throws {
    try park("a1", "upsert", #"{"id":"1","v":"old","w":null}"#)
    let lane = "BEGIN; UPDATE penstock.dead_letter SET state='superseded' WHERE id='a1' AND state='parked';"
    let row = "INSERT INTO t VALUES (1, 'new') ON CONFLICT (id) DO UPDATE SET v='new';"
    guard laneIsFirst else {
      #expect(try replay("a1") == "written")
      try session.query(lane + row + "COMMIT")
      return #expect(try session.query("SELECT v FROM t").single == "new")
    }
    let entry = try queue.list(waiting: true)[0]
    try session.query(lane)
    nonisolated(unsafe) let queue = queue
    let executor = ThreadExecutor(name: "replay")
    defer { executor.shutdown() }
    let end = Task(executorPreference: executor) { try queue.replay(entry) }
    try await eventually("the replay to wait for the lane") {
      try session.query("SELECT 1 FROM pg_locks WHERE NOT granted").count == 1
        || session.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type='Lock' AND datname=current_database()")
          .count == 1
    }
    try session.query(row + "COMMIT")

    guard case .passed = try await end.value else { return #expect(Bool(false), "it was written") }
    #expect(try session.query("SELECT v FROM t").single == "new")
  }

  @Test("letters are named by the beginnings of their ids, and dropped with their rows")
  func drop() throws {
    try park("abc", "upsert", #"{"id":"1"}"#)
    try park("abd", "upsert", #"{"id":"2"}"#)
    try session.query("INSERT INTO penstock.dead_letter_part VALUES ('p', 'abd', 0, '…'), ('other', 'abd', 0, '…')")
    let all = try queue.list(waiting: true)

    #expect(throws: Failure.self) { try queue.letters(["ab"], among: all) }
    #expect(throws: Failure.self) { try queue.letters(["x"], among: all) }
    #expect(try queue.drop(queue.letters(["abd", "abd"], among: all)) == 1)

    #expect(try queue.list(waiting: false).map(\.id) == ["abc"])
    #expect(try session.query("SELECT pipeline FROM penstock.dead_letter_part").values == [["other"]])
  }

  @Test("they are shown as text and as JSON")
  func shown() throws {
    try park("abc", "upsert", #"{"id":"1","v":"too long"}"#)
    try session.query("UPDATE penstock.dead_letter SET parked_at='2026-01-02 03:04:05+00'; SET timezone='UTC'")
    let entry = try queue.list(waiting: true)[0]
    let letter = try queue.row(of: entry)

    #expect(
      DeadLetterQueue.text([entry]).hasPrefix(
        #"abc  parked  public.t  {"id":"1"}"# + "\n  upsert at 0/1#1, parked 2026-01-02"))
    #expect(DeadLetterQueue.text([entry]).hasSuffix(", 1 attempt\n  SQLSTATE 22001: why\n1 letter\n"))
    #expect(DeadLetterQueue.text(letter).hasSuffix("why\n  {\"id\":\"1\",\"v\":\"too long\"}\n"))
    #expect(DeadLetterQueue.json([letter]).contains(#""key":{"id":"1"},"operation":"upsert""#))
    #expect(DeadLetterQueue.json([letter]).hasSuffix(#""row":{"id":"1","v":"too long"}}]}"# + "\n"))
  }
}
