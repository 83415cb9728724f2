import Foundation
import Testing

@testable import DSQLEmulator

/// Rules without a server: values in, verdicts out.
@Suite struct RuleTests {
  @Test(
    "DSQL's words are found where they are words, and nowhere else",
    arguments: [
      ("CREATE INDEX ASYNC ON t (a)", "CREATE INDEX       ON t (a)", 1),
      ("create unique index async i on t (a)", "create unique index       i on t (a)", 1),
      ("CREATE /* ASYNC */ INDEX ON t (a)", "CREATE /* ASYNC */ INDEX ON t (a)", 0),
      ("SELECT 'CREATE INDEX ASYNC'", "SELECT 'CREATE INDEX ASYNC'", 0),
      ("SELECT $x$; CREATE INDEX ASYNC $x$", "SELECT $x$; CREATE INDEX ASYNC $x$", 0),
      ("SELECT async FROM t; CREATE INDEX ASYNC ON t (a)", "SELECT async FROM t; CREATE INDEX       ON t (a)", 1),
      ("ALTER TABLE ASYNC t VALIDATE CONSTRAINT c", "ALTER TABLE       t VALIDATE CONSTRAINT c", 1),
      ("ALTER TABLE ASYNC \"T\" VALIDATE CONSTRAINT c", "ALTER TABLE       \"T\" VALIDATE CONSTRAINT c", 1),
      ("ALTER TABLE async ADD COLUMN a int", "ALTER TABLE async ADD COLUMN a int", 0),
    ])
  func words(text: String, stripped: String, count: Int) {
    let words = DSQLWords(Array(text.utf8))

    #expect(String(decoding: words.text, as: UTF8.self) == stripped)
    #expect(words.asynchronous.count == count)
  }

  @Test(
    "tokens end where PostgreSQL's do",
    arguments: [
      ("SELECT 1;", ["SELECT", "1", ";"]), ("a-- ;b\nc", ["a", "c"]), ("/* /* ; */ ' */ x", ["x"]),
      ("'it''s' E'\\'' x", ["'it''s'", "E'\\''", "x"]), ("U&'a' U&\"b\" b'01'", ["U&'a'", "U&\"b\"", "b'01'"]),
      ("$1 $$a$$ $t$ $$ $t$ a$b", ["$1", "$$a$$", "$t$ $$ $t$", "a$b"]), ("\"a\"\"b\".c", ["\"a\"\"b\"", ".", "c"]),
      ("'open", ["'open"]), ("$$open", ["$$open"]), ("/* open", []), ("1.5e3+x", ["1.5e3", "+", "x"]),
    ])
  func tokens(text: String, expected: [String]) {
    let bytes = Array(text.utf8)

    #expect(SQLLexer(bytes).map { String(decoding: bytes[$0.range], as: UTF8.self) } == expected)
  }

  @Test("a bare numeric becomes numeric(18,6), however it is written")
  func bareNumeric() {
    let text = "CREATE TABLE t (a numeric, b DECIMAL NOT NULL, c pg_catalog.numeric, d numeric(5,2), \"numeric\" dec)"

    let statement = StatementJudge.script(Array(text.utf8)).statements.first

    #expect(
      statement.map { String(decoding: $0.text, as: UTF8.self) }
        == "CREATE TABLE t (a numeric(18,6), b DECIMAL(18,6) NOT NULL, c pg_catalog.numeric(18,6), d numeric(5,2), "
        + "\"numeric\" dec(18,6))")
  }

  @Test("a long literal write is judged by its tokens, with the same verdict")
  func bulk() {
    let rows = (1...4000).map { "(\($0), 'it''s; MERGE')" }.joined(separator: ", ")
    func kind(_ text: String) -> Statement.Kind? { StatementJudge.script(Array(text.utf8)).statements.first?.kind }
    let insert = "INSERT INTO t VALUES \(rows)"

    #expect(BulkText.statement(Array(insert.utf8)) != nil)
    #expect(kind(insert) == .write)
    #expect(kind(insert + ";") == .write)
    #expect(StatementJudge.script(Array((insert + "; SELECT 1").utf8)).statements.count == 2)
    #expect(BulkText.statement(Array((insert + " RETURNING pg_advisory_lock(1)").utf8)) == nil)
    #expect(BulkText.statement(Array("SELECT \(rows)".utf8)) == nil)
  }

  @Test("rules of a transaction without a clock: what a step answers decides the next")
  func transactionRules() {
    var rules = TransactionRules(limits: .init(rowsMax: 10, bytesMax: 100, age: .seconds(300)), catalog: 0)
    let begin = Statement(.begin, text: [])
    let write = Statement(.write, text: [])

    #expect(rules.judge(begin, now: .zero, catalog: 0) == nil)
    rules.began(now: .zero)
    #expect(rules.judge(write, now: .seconds(300), catalog: 0) == nil)
    #expect(rules.add(rows: 10) == nil)
    rules.add(bytes: 100)
    #expect(rules.commitRefusal(now: .seconds(300), catalog: 0) == nil)
    #expect(rules.add(rows: 1)?.sqlState == "54000")
    #expect(rules.judge(write, now: .seconds(301), catalog: 0)?.detail == "Current transaction age 301s exceeds 300s")
    rules.failed()
    #expect(rules.judge(write, now: .seconds(301), catalog: 0) == .abortedBlock)
    #expect(rules.judge(Statement(.rollback, text: []), now: .seconds(301), catalog: 0) == nil)
    rules.ended()
    #expect(rules.judge(write, now: .seconds(900), catalog: 0) == nil)
    rules.add(bytes: 101)
    #expect(rules.commitRefusal(now: .seconds(900), catalog: 0)?.message == "transaction size limit 10mb exceeded")
  }

  @Test("the token bucket for connections refills with time")
  func connectRules() {
    var rules = ConnectRules(ratePerSecond: 10, burst: 2, openMax: 3)

    #expect(rules.opened(now: .zero) == nil)
    #expect(rules.opened(now: .zero) == nil)
    #expect(rules.opened(now: .milliseconds(50))?.sqlState == "53400")
    rules.closed()
    #expect(rules.opened(now: .milliseconds(150)) == nil)
    #expect(rules.opened(now: .seconds(5))?.sqlState == "53300")
    for _ in 0..<3 { rules.closed() }
    #expect(rules.opened(now: .seconds(5)) == nil)
  }

  @Test("a seed decides which occasions are struck, in the share asked for", arguments: [UInt64(1), 7, 12345])
  func faults(seed: UInt64) {
    func strikes() -> [Bool] {
      var rates = FaultRates()
      rates.conflict = 0.05
      let faults = Faults(rates: rates, seed: seed)
      return (0..<20_000).map { _ in faults.strikes(.conflict) }
    }
    let first = strikes()

    #expect(first == strikes())
    #expect((800...1200).contains(first.count { $0 }))
  }

  @Test("startup options are read as a PostgreSQL server reads them")
  func startupOptions() {
    let body = Array("user\u{0}u\u{0}options\u{0}-c a=b\\ c --d=e -cf=g\u{0}application_name\u{0}x\u{0}\u{0}".utf8)

    let startup = StartupMessage([0, 0, 0, UInt8(8 + body.count), 0, 3, 0, 0] + body)

    #expect(startup?.user == "u" && startup?.database == "u")
    #expect(startup?.settings.map { "\($0.name)=\($0.value)" } == ["a=b c", "d=e", "f=g", "application_name=x"])
  }

  @Test("the command line says what it did not understand")
  func commandLine() {
    func problem(_ arguments: String...) -> String? {
      do {
        _ = try EmulatorCommandLine.parse(arguments)
        return nil
      } catch { return error.description }
    }
    let good = ["--backend", "host=/x", "--make-certificate", "/c"]

    #expect(problem("--backend", "host=/x") == "give --certificate and --key, or --make-certificate; see --help")
    #expect(problem("--bakend", "x") == "unknown option --bakend; see --help")
    #expect(problem("--seed") == "--seed needs a value: N")
    #expect(problem("--conflict-rate", "1.5") == "--conflict-rate: \"1.5\" is not 0..1")
    #expect(problem("--commit-latency", "5") == "--commit-latency: \"5\" is not TIME")
    guard
      case .run(let options) = try? EmulatorCommandLine.parse(good + ["--commit-latency=50ms", "--require-sni=off"])
    else {
      Issue.record("a good command line is refused")
      return
    }
    #expect(options.commitLatency == .milliseconds(50) && !options.requiresSNI)
    guard case .help(let text)? = try? EmulatorCommandLine.parse(["--help"]) else { return }
    #expect(EmulatorCommandLine.options.allSatisfy { text.contains($0.name) })
    let page = URL(fileURLWithPath: #filePath).pathComponents.dropLast(3) + ["docs", "emulator.md"]
    let documentation = try? String(contentsOfFile: NSString.path(withComponents: Array(page)), encoding: .utf8)
    for option in EmulatorCommandLine.options { #expect(documentation?.contains("| `\(option.name)") == true) }
  }
}
