import DSQLEmulator
import Testing

/// Indexes and validations that DSQL does behind the client's back.
@Suite struct JobTests {
  /// A client and an empty table of its own, on a server of its own: definitions are noticed by every session.
  func client(indexBuildTime: Duration = .zero) throws -> Client {
    let server = try ServerUnderTest { $0.indexBuildTime = indexBuildTime }
    try server.behind("CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 1), (2, 1)")
    return try server.connect()
  }

  @Test("an index job is filed, can be waited for, and is listed", arguments: [true, false])
  func indexJob(extended: Bool) throws {
    let client = try client()
    let sql = "CREATE INDEX ASYNC named ON t (a)"

    let answer = extended ? client.extended(sql) : client.run(sql)

    #expect(answer.tag == "CREATE INDEX")
    let job = try #require(answer.rows.first?.first ?? nil)
    #expect(job.count == 26 && job.allSatisfy { "abcdefghijklmnopqrstuvwxyz234567".contains($0) })
    #expect(client.run("CALL sys.wait_for_job('\(job)')").rows == [["t"]])
    #expect(client.run("CALL sys.wait_for_job('\(String(repeating: "a", count: 26))')").rows == [["f"]])
    let listed = client.run(
      "SELECT status, details, job_type, class_id, object_id = 'named'::regclass, object_name FROM sys.jobs "
        + "WHERE job_id = '\(job)' AND start_time <= update_time")
    #expect(listed.rows == [["completed", nil, "INDEX_BUILD", "1259", "t", "public.named"]])
    #expect(client.run("CREATE INDEX ASYNC ON t (a)").rows.count == 1)
    #expect(client.run("SELECT to_regclass('t_a_idx') IS NOT NULL").rows == [["t"]])
    #expect(client.run("CREATE INDEX ASYNC named ON t (a)").sqlState == "42P07")
  }

  @Test("a unique index over duplicates fails as a job; it stays invalid, and already keeps new duplicates out")
  func failedIndex() throws {
    let client = try client()

    let job = client.run("CREATE UNIQUE INDEX ASYNC u ON t (a)").rows.first?.first ?? nil

    #expect(client.run("CALL sys.wait_for_job('\(job ?? "")')").rows == [["f"]])
    #expect(
      client.run("SELECT status, details FROM sys.jobs").rows
        == [["failed", "found duplicate key(s) while validating index uniqueness"]])
    #expect(client.run("SELECT indisvalid FROM pg_index WHERE indexrelid = 'u'::regclass").rows == [["f"]])
    let use = client.run("ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX u")
    #expect(use.sqlState == "55000")
    #expect(use.message == "index \"u\" is not valid")
    #expect(client.run("INSERT INTO t VALUES (3, 1)").sqlState == "23505")
    #expect(client.run("DROP INDEX u").tag == "DROP INDEX")
    #expect(client.run("INSERT INTO t VALUES (3, 1)").tag == "INSERT 0 1")
  }

  @Test("a constraint is validated as a job")
  func validation() throws {
    let client = try client()
    client.run("ALTER TABLE t ADD CONSTRAINT good CHECK (a > 0) NOT VALID")
    client.run("ALTER TABLE t ADD CONSTRAINT bad CHECK (id > 1) NOT VALID")

    for (constraint, succeeds) in [("good", "t"), ("bad", "f")] {
      let answer = client.run("ALTER TABLE ASYNC t VALIDATE CONSTRAINT \(constraint)")
      #expect(answer.tag == "ALTER TABLE")
      #expect(client.run("CALL sys.wait_for_job('\((answer.rows.first?.first ?? nil) ?? "")')").rows == [[succeeds]])
      #expect(
        client.run("SELECT convalidated FROM pg_constraint WHERE conname = '\(constraint)'").rows == [[succeeds]])
    }
  }

  @Test("a job can be held in processing, and is waited for")
  func processing() throws {
    let client = try client(indexBuildTime: .seconds(5))

    let job = client.run("CREATE INDEX ASYNC ON t (a)").rows.first?.first ?? nil
    #expect(client.run("SELECT status FROM sys.jobs").rows == [["processing"]])
    let isValid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 't_a_idx'::regclass"
    #expect(client.run(isValid).rows == [["f"]])
    #expect(client.run("CALL sys.wait_for_job('\(job ?? "")')").rows == [["t"]])

    #expect(client.run("SELECT status FROM sys.jobs").rows == [["completed"]])
    #expect(client.run(isValid).rows == [["t"]])
  }

  @Test("the synchronous form works on empty tables where it is switched on")
  func synchronous() throws {
    let client = try client()
    client.run("DELETE FROM t")

    #expect(client.run("CREATE INDEX ON t (a)").message == "unsupported mode. please use CREATE INDEX ASYNC.")
    #expect(client.run("SET disable_sync_create_index = off").tag == "SET")
    #expect(client.run("SHOW disable_sync_create_index").rows == [["off"]])
    let answer = client.run("CREATE INDEX ON t (a)")
    #expect(answer.tag == "CREATE INDEX")
    #expect(answer.rows == [])
    #expect(client.extended("CREATE INDEX ON t (a)").tag == "CREATE INDEX")
    client.run("INSERT INTO t VALUES (1, 1)")
    #expect(client.run("CREATE INDEX ON t (a)").message == "unsupported mode. please use CREATE INDEX ASYNC.")
    client.run("RESET disable_sync_create_index")
    #expect(client.run("CREATE INDEX ON t (a)").sqlState == "0A000")
  }

  @Test("a job is waited for outside of blocks only")
  func waitInBlock() throws {
    let client = try client()
    client.run("BEGIN")
    #expect(client.run("CALL sys.wait_for_job('abcdefghijklmnopqrstuvwxyz')").sqlState == "25001")
    client.run("ROLLBACK")
    #expect(client.run("CALL sys.wait_for_job('abcdefghijklmnopqrstuvwxyz')").rows == [["f"]])
  }

  @Test("who may sign in as a role is kept, and keeps the role")
  func roleMappings() throws {
    let client = try client()

    #expect(client.run("AWS IAM GRANT admin TO 'arn:aws:iam::123456789012:role/sink'").tag == "GRANT")
    #expect(
      client.run("SELECT pg_role_name, arn FROM sys.iam_pg_role_mappings").rows
        == [["admin", "arn:aws:iam::123456789012:role/sink"]])
    #expect(client.run("AWS IAM GRANT nobody TO 'arn:x'").sqlState == "42704")
    #expect(client.run("AWS IAM REVOKE admin FROM 'arn:aws:iam::123456789012:role/sink'").tag == "REVOKE")
    #expect(client.run("SELECT count(*) FROM sys.iam_pg_role_mappings").rows == [["0"]])
    client.run("CREATE ROLE mapped_role WITH LOGIN")
    client.run("AWS IAM GRANT mapped_role TO 'arn:y'")
    #expect(client.run("DROP ROLE mapped_role").sqlState == "2BP01")
    client.run("AWS IAM REVOKE mapped_role FROM 'arn:y'")
    #expect(client.run("DROP ROLE mapped_role").tag == "DROP ROLE")
  }
}
