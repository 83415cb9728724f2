@testable import AWS
import ChangeModel
import PenstockTestKit
import Testing

@Suite struct DynamoDBEndpointsTests {
  @Test(
    "each partition has its own hosts, for FIPS and for dual stack too",
    arguments: [
      ("eu-west-1", false, false, "dynamodb.eu-west-1.amazonaws.com", "streams.dynamodb.eu-west-1.amazonaws.com"),
      (
        "us-east-1", true, false, "dynamodb-fips.us-east-1.amazonaws.com",
        "streams.dynamodb-fips.us-east-1.amazonaws.com"
      ),
      ("us-east-1", false, true, "dynamodb.us-east-1.api.aws", "streams-dynamodb.us-east-1.api.aws"),
      ("us-east-1", true, true, "dynamodb-fips.us-east-1.api.aws", "streams-dynamodb-fips.us-east-1.api.aws"),
      (
        "cn-north-1", false, false, "dynamodb.cn-north-1.amazonaws.com.cn",
        "streams.dynamodb.cn-north-1.amazonaws.com.cn"
      ),
      (
        "us-gov-west-1", true, false, "dynamodb.us-gov-west-1.amazonaws.com",
        "streams.dynamodb.us-gov-west-1.amazonaws.com"
      ),
      ("us-iso-east-1", false, false, "dynamodb.us-iso-east-1.c2s.ic.gov", "streams.dynamodb.us-iso-east-1.c2s.ic.gov"),
      (
        "us-isob-east-1", false, false, "dynamodb.us-isob-east-1.sc2s.sgov.gov",
        "streams.dynamodb.us-isob-east-1.sc2s.sgov.gov"
      ),
      (
        "eusc-de-east-1", false, false, "dynamodb.eusc-de-east-1.amazonaws.eu",
        "streams.dynamodb.eusc-de-east-1.amazonaws.eu"
      ),
      (
        "eusc-de-east-1", true, true, "dynamodb-fips.eusc-de-east-1.api.amazonwebservices.eu",
        "streams.dynamodb-fips.eusc-de-east-1.api.amazonwebservices.eu"
      ),
    ])
  func partitions(region: String, isFIPS: Bool, isDualStack: Bool, tables: String, streams: String) throws {
    let endpoints = try DynamoDBEndpoints(
      region: region, usesFIPS: isFIPS, usesDualStack: isDualStack, environment: [:])
    #expect(endpoints.tables.url == "https://\(tables)")
    #expect(endpoints.streams.url == "https://\(streams)")
  }

  @Test(
    "a URL of one's own is obeyed, first the configuration's, then the environment's",
    arguments: [
      ("http://localhost:8000", nil, [:], "http://localhost:8000", "http://localhost:8000"),
      ("http://a:1", "https://b", ["AWS_ENDPOINT_URL": "http://c"], "http://a:1", "https://b"),
      (nil, "http://b:2", [:], "https://dynamodb.eu-west-1.amazonaws.com", "http://b:2"),
      (nil, nil, ["AWS_ENDPOINT_URL": "http://c"], "http://c", "http://c"),
      (
        nil, nil, ["AWS_ENDPOINT_URL_DYNAMODB": "http://d", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": "http://e"],
        "http://d", "http://e"
      ),
    ] as [(String?, String?, [String: String], String, String)])
  func overrides(
    endpoint: String?, streamsEndpoint: String?, environment: [String: String], tables: String, streams: String
  ) throws {
    let endpoints = try DynamoDBEndpoints(
      region: "eu-west-1", endpoint: endpoint, streamsEndpoint: streamsEndpoint, environment: environment)
    #expect(endpoints.tables.url == tables)
    #expect(endpoints.streams.url == streams)
  }

  @Test("the two services are really asked at their two addresses") func obeyed() async throws {
    let (tables, streams) = (try ScriptedDynamoDB(), try ScriptedDynamoDB())
    let environment = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"]
    let service = DynamoDBService(
      try DynamoDBEndpoints(
        region: "eu-central-1", endpoint: tables.url, streamsEndpoint: streams.url, environment: environment),
      login: AWSLogin(.source, environment: environment, log: .quiet))

    _ = try await service.listTables()
    _ = try await service.describeStream("arn")
    #expect(tables.server.requests.map { $0.headers["x-amz-target"] } == ["DynamoDB_20120810.ListTables"])
    #expect(streams.server.requests.map { $0.headers["x-amz-target"] } == ["DynamoDBStreams_20120810.DescribeStream"])
  }

  @Test(
    "what can't be is refused",
    arguments: [
      ("ftp://x", nil, nil, [:]), (nil, "b", nil, [:]), ("http://x", nil, true, [:]),
      (nil, nil, nil, ["AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://c"]),
    ] as [(String?, String?, Bool?, [String: String])])
  func wrong(endpoint: String?, streamsEndpoint: String?, isFIPS: Bool?, environment: [String: String]) throws {
    let failure = #expect(throws: Failure.self) {
      try DynamoDBEndpoints(
        region: "eu-west-1", endpoint: endpoint, streamsEndpoint: streamsEndpoint, usesFIPS: isFIPS,
        environment: environment)
    }
    #expect(failure?.exitCode == 2)
  }
}

@Suite struct AWSLoginTests {
  @Test("what fails for the source ends with the source's exit code", arguments: [Failure.Kind.source, .sink])
  func sides(side: Failure.Kind) throws {
    let aws = try FakeAWS()
    aws.plan("AssumeRole", 403, FakeAWS.error("AccessDenied", "no"))
    let keys = ["AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"]
    let login = AWSLogin(side, role: STS.Role(arn: FakeAWS.role), environment: aws.environment(keys), log: .quiet)

    let failure = #expect(throws: Failure.self) { try login.caller(now: FakeAWS.now) }
    #expect(failure?.message == "STS refuses AssumeRole: AccessDenied: no")
    #expect(failure?.exitCode == (side == .source ? 3 : 4))
  }

  @Test("a region that nobody says is asked for by the side's own setting") func region() throws {
    let login = AWSLogin(.source, environment: ["AWS_EC2_METADATA_DISABLED": "true"], log: .quiet)

    let failure = #expect(throws: Failure.self) { try login.regionName() }
    #expect(failure?.hint.contains("Set source.region, or AWS_REGION") == true)
    #expect(failure?.exitCode == 2)
  }
}
