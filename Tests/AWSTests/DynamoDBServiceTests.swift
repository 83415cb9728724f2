@testable import AWS
import ChangeModel
import Foundation
import PenstockTestKit
import Runtime
import Testing

/// A service that asks the scripted server.
func service(_ database: ScriptedDynamoDB, within budget: Duration = .seconds(60)) throws -> DynamoDBService {
  try service(database.url, within: budget)
}

func service(
  _ url: String, within budget: Duration = .seconds(60),
  environment: [String: String] = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret"]
) throws -> DynamoDBService {
  let endpoints = try DynamoDBEndpoints(region: "eu-central-1", endpoint: url, environment: environment)
  return DynamoDBService(
    endpoints, login: AWSLogin(.source, region: "eu-central-1", environment: environment, log: .quiet),
    retry: .init(initialDelay: .milliseconds(1), maxDelay: .milliseconds(10), maxElapsed: budget))
}

@Suite struct DynamoDBServiceTests {
  @Test("a table is described with its keys, and one that does not exist is nil") func tables() async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("Orders", keys: [("customer", "S"), ("at", "N")], stream: "NEW_IMAGE")
    let service = try service(database)

    let table = try #require(try await service.describeTable("Orders"))
    #expect(table.name == "Orders")
    #expect(
      table.keys == [
        .init(name: "customer", type: "S", isPartition: true), .init(name: "at", type: "N", isPartition: false),
      ])
    #expect(table.latestStreamARN == database.stream(of: "Orders"))
    #expect(table.isStreamEnabled)
    #expect(table.streamViewType == "NEW_IMAGE")
    #expect(table.provisionedReadUnits == nil)
    #expect(try await service.describeTable("orders") == nil)
  }

  @Test("all tables are listed, page after page") func tableNames() async throws {
    let database = try ScriptedDynamoDB()
    let names = (100..<350).map { "t\($0)" }
    for name in names { database.makeTable(name, stream: nil) }

    #expect(try await service(database).listTables() == names)
    #expect(database.count(of: "ListTables") == 3)
  }

  @Test("a table is scanned in segments and pages, its bytes untouched") func scan() async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t")
    database.put((0..<50).map { ["id": ["S": "\($0)"], "text": ["S": "\"ü\n\u{1}"]] }, in: "t")
    let service = try service(database)

    var ids: [String] = []
    for segment in 0..<3 {
      var request = ScanRequest(table: "t", segment: segment, segments: 3, limit: 4)
      repeat {
        let page = try #require(
          JSONValue(parsing: String(decoding: try await service.scan(request), as: UTF8.self)))
        guard case .list(let items) = page["Items"] else { break }
        ids += items.compactMap { $0["id"]?["S"]?.text }
        request.after = page["LastEvaluatedKey"].map { Array($0.written.utf8) }
      } while request.after != nil
    }
    #expect(ids.compactMap { Int($0) }.sorted() == Array(0..<50))
    #expect(database.count(of: "Scan") >= 13)
  }

  @Test("items are got by their keys") func items() async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t")
    database.put([["id": ["S": "a"]], ["id": ["S": "b\""]], ["id": ["S": "c"]]], in: "t")

    let keys: [JSONValue] = [["id": ["S": "a"]], ["id": ["S": "b\""]], ["id": ["S": "x"]]]
    let body = try await service(database).items(of: "t", keys: keys.map { Array($0.written.utf8) })
    let answer = JSONValue(parsing: String(decoding: body, as: UTF8.self))
    let found: JSONValue = ["t": [["id": ["S": "a"]], ["id": ["S": "b\""]]]]
    #expect(answer?["Responses"] == found)
    let asked = database.requests(of: "BatchGetItem").first?["RequestItems"]?["t"]
    #expect(asked?["ConsistentRead"] == JSONValue.bool(true))
  }

  @Test("a stream's shards are described in all of their pages") func streams() async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t", shards: 25)
    database.split("t", shard: database.openShards(of: "t")[0])
    database.setPages(shards: 10)

    let stream = try #require(try await service(database).describeStream(database.stream(of: "t")))
    #expect(stream.shards.count == 27)
    #expect([stream.table, stream.status, stream.viewType] == ["t", "ENABLED", "NEW_AND_OLD_IMAGES"])
    #expect(stream.shards[0].lastSequenceNumber?.utf8.count == 21)
    #expect(stream.shards[25].parent == stream.shards[0].id)
    #expect(stream.shards[25].lastSequenceNumber == nil)
    #expect(database.count(of: "DescribeStream") == 3)
    #expect(try await service(database).describeStream("arn:aws:dynamodb:::none") == nil)
  }

  @Test("a shard is read from an iterator, and what stands against it has a name") func records() async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t")
    let (arn, shard) = (database.stream(of: "t"), database.openShards(of: "t")[0])
    database.put(["id": ["S": "a"]], in: "t")
    let service = try service(database)

    guard case .iterator(let iterator) = try await service.shardIterator(of: shard, in: arn, at: .trimHorizon) else {
      Issue.record("no iterator")
      return
    }
    guard case .body(let body) = try await service.records(at: iterator, of: arn, limit: 7) else {
      Issue.record("no records")
      return
    }
    #expect(String(decoding: body, as: UTF8.self).contains(#""eventName":"INSERT""#))
    #expect(database.requests(of: "GetRecords").first?["Limit"]?.integer == 7)
    database.expireIterators(of: "t")
    #expect(try await service.records(at: iterator, of: arn) == .expired)
    database.trim("t")
    #expect(try await service.shardIterator(of: shard, in: arn, at: .after("100000000000000000001")) == .trimmed)
    #expect(try await service.shardIterator(of: "shardId-none", in: arn, at: .latest) == .gone)
    database.removeStreams("t")
    #expect(try await service.records(at: iterator, of: arn) == .gone)
  }

  @Test(
    "what may pass is tried again, and counted",
    arguments: [
      (.refusal("ProvisionedThroughputExceededException"), 1), (.refusal("ThrottlingException"), 1),
      (.refusal("RequestLimitExceeded"), 1), (.refusal("LimitExceededException"), 1),
      (.refusal("InternalServerError", status: 500), 0), (.refusal("Whatever", status: 503), 0), (.cut, 0),
      (.wrongChecksum, 0),
    ] as [(ScriptedDynamoDB.Mishap, Int)])
  func retries(mishap: ScriptedDynamoDB.Mishap, throttles: Int) async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t")
    database.next("DescribeTable", mishap, mishap, mishap)
    let service = try service(database)

    #expect(try await service.describeTable("t") != nil)
    #expect(service.statistics.requests == 4)
    #expect(service.statistics.retries == 3)
    #expect(service.statistics.throttles == 3 * throttles)
  }

  @Test("when the budget is spent, the last reason is the failure") func budget() async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t")
    database.next("Scan", times: 1000, .refusal("ThrottlingException", message: "Rate exceeded"))

    let failure = await #expect(throws: Failure.self) {
      try await service(database, within: .milliseconds(50)).scan(.init(table: "t"))
    }
    #expect(failure?.message == "DynamoDB throttles Scan: ThrottlingException: Rate exceeded")
    #expect(failure?.hint == "Give the table more read units, or let Penstock read fewer at a time.")
    #expect(failure?.isTransient == true)
    #expect(failure?.exitCode == 3)
  }

  @Test(
    "what will not pass is said at once, with what to do",
    arguments: [
      ("ValidationException", "One or more parameter values were invalid", ""),
      (
        "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized",
        "Allow dynamodb:Scan on t to whoever the environment stands for."
      ),
      ("ResourceNotFoundException", "no such table", "Check the name, the region and the account."),
      (
        "UnrecognizedClientException", "The security token included in the request is invalid.",
        "Check the access key and secret from the environment."
      ),
      (
        "InvalidSignatureException", "The request signature we calculated does not match",
        "Check the access key and secret from the environment."
      ),
      ("ExpiredTokenException", "expired", "Renew the credentials from the environment."),
    ])
  func refusals(exception: String, text: String, hint: String) async throws {
    let database = try ScriptedDynamoDB()
    database.makeTable("t")
    database.next("Scan", times: 2, .refusal(exception, message: text))
    let service = try service(database)

    let failure = await #expect(throws: Failure.self) { try await service.scan(.init(table: "t")) }
    #expect(failure?.message == "DynamoDB refuses Scan: \(exception): \(text)")
    #expect(failure?.hint == hint)
    #expect(failure?.location == "t at 127.0.0.1:\(database.server.port), request REQUEST1")
    #expect(failure?.isTransient == false)
    #expect(failure?.exitCode == 3)
    #expect(service.statistics.requests == (exception == "ExpiredTokenException" ? 2 : 1))
  }

  @Test("a refusal for the clock's sake says how far it is off, by the text or by the answer's date") func skew()
    async throws
  {
    let text = "Signature expired: 20200101T000000Z is now earlier than 20200101T000000Z (20500101T000000Z - 5 min.)"
    let database = try ScriptedDynamoDB()
    database.next("ListTables", .refusal("InvalidSignatureException", message: text))

    let failure = await #expect(throws: Failure.self) { try await service(database).listTables() }
    #expect(failure?.message.contains("behind AWS's") == true)
    #expect(failure?.hint == ClockSkew.hint)
    #expect(failure?.exitCode == 3)

    let noon = UnixTime(basicFormat: "20260915T120000Z")!
    #expect(UnixTime(httpDate: "Tue, 15 Sep 2026 12:00:00 GMT") == noon)
    #expect(UnixTime(httpDate: "Tue, 15 Sep 2026") == nil)
    #expect(ClockSkew(refusal: "no", date: "Tue, 15 Sep 2026 12:00:00 GMT", now: noon + 300)?.seconds == 300)
  }

  @Test("credentials that have expired are looked for once more") func expiredToken() async throws {
    let aws = try FakeAWS()
    try aws.write("[default]\naws_access_key_id = OLD\naws_secret_access_key = s\n", to: ".aws/credentials")
    let database = try ScriptedDynamoDB()
    let service = try service(database.url, environment: aws.environment())
    let began = monotonicNow()
    #expect(try await service.listTables() == [])

    try aws.write("[default]\naws_access_key_id = NEW\naws_secret_access_key = s\n", to: ".aws/credentials")
    database.accept(accessKeys: ["NEW"])
    #expect(try await service.listTables() == [])
    // After a minute they are looked for in any case.
    #expect(service.statistics.retries == 1 || monotonicNow() - began > .seconds(59))
  }

  @Test("connections are kept between calls") func connections() async throws {
    let database = try ScriptedDynamoDB()
    let service = try service(database)
    for _ in 0..<50 { _ = try await service.listTables() }

    #expect(database.server.connections == 1)
    #expect(service.statistics.connectionsOpened == 1)
  }

  @Test("where nobody listens the failure says so, and may pass") func absent() async throws {
    let port = try freePort()
    let failure = await #expect(throws: Failure.self) {
      try await service("http://127.0.0.1:\(port)", within: .milliseconds(20)).listTables()
    }
    #expect(failure?.message == "DynamoDB does not answer ListTables: Couldn't connect to server")
    #expect(failure?.isTransient == true)
    #expect(failure?.exitCode == 3)
  }
}
