@testable import AWS
import ChangeModel
import PenstockTestKit
import Testing

/// Signatures of a request to STS, which botocore 1.44.5 gives for the same request.
@Suite struct SigningTests {
  static func authorization(sessionToken: String?) -> String? {
    let headers = SigV4.signedHeaders(
      [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")], host: "sts.eu-central-1.amazonaws.com",
      body: Array("Action=GetCallerIdentity&Version=2011-06-15".utf8),
      scope: .init(date: FakeAWS.now, region: "eu-central-1", service: "sts"),
      credentials: AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        sessionToken: sessionToken))
    return headers.first { $0.name == "Authorization" }?.value
  }

  @Test(
    "a request is signed as botocore signs it, byte for byte",
    arguments: [
      (
        nil,
        "content-type;host;x-amz-date, Signature=0659888939fbdd29c41645f5776d59c7eefb9f734589e09667a3222f9b89f8f6"
      ),
      (
        "FwoGZXIvYXdzEXAMPLE//+token=",
        "content-type;host;x-amz-date;x-amz-security-token, "
          + "Signature=63a3429fc50abb380dccc131aeb90b0d70e1766d8fc8ca86bb90340f2bb7e9c5"
      ),
    ] as [(String?, String)])
  func vector(sessionToken: String?, end: String) {
    #expect(
      Self.authorization(sessionToken: sessionToken)
        == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260915/eu-central-1/sts/aws4_request, SignedHeaders=" + end)
  }

  @Test(
    "AWS's dates are read in each of their forms",
    arguments: [
      ("2026-09-15T12:00:00Z", 1_789_473_600), ("2026-09-15T12:00:00.123Z", 1_789_473_600),
      ("2026-09-15T12:00:00+00:00", 1_789_473_600), ("2026-09-15T12:00:00UTC", 1_789_473_600),
      ("2026-09-15T12:00:00", nil), ("2026-09-15T12:00:00.Z", nil), ("2026-09-15 12:00:00Z", nil),
      ("20260915T120000Z", nil), ("2026-02-30T12:00:00Z", nil), ("", nil),
    ] as [(String, Int64?)])
  func dates(text: String, seconds: Int64?) {
    #expect(UnixTime(iso8601: text)?.seconds == seconds)
  }

  @Test(
    "an element of an answer is read only when it stands once and is text",
    arguments: [
      ("<r><A>x &lt;&amp;&#65;&#x42;&quot;&apos;&gt; y</A></r>", "x <&AB\"'> y"), ("<r><A></A></r>", ""),
      ("<r><A>x</A><A>y</A></r>", nil), ("<r><B>x</B></r>", nil), ("<r><A><B>x</B></A></r>", nil),
      ("<r><A>x</B></r>", nil), ("<r><A>x", nil), ("<r><A>&nbsp;</A></r>", nil), ("<r><A>a & b</A></r>", nil),
      ("<r><A>&#xD800;</A></r>", nil), ("", nil),
    ] as [(String, String?)])
  func elements(document: String, text: String?) {
    #expect(XMLAnswer(Array(document.utf8))["A"] == text)
  }
}

@Suite struct AWSRegionTests {
  @Test(
    "the region comes from the configuration, the endpoint, the environment, the profile, the instance, in this order",
    arguments: [
      ("eu-west-1", "a.dsql.us-east-1.on.aws", ["AWS_REGION": "us-west-2"], "eu-west-1"),
      (nil, "a.dsql.us-east-1.on.aws", ["AWS_REGION": "us-west-2"], "us-east-1"),
      (nil, "a.dsql-xyz.us-east-1.on.aws", [:], "us-east-1"),
      (nil, "a.dsql.localhost", ["AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-1"], "us-west-2"),
      (nil, "localhost", ["AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-1"], "us-west-1"),
      (nil, "localhost", ["AWS_REGION": "", "AWS_PROFILE": "p"], "eu-north-1"),
      (nil, "localhost", ["AWS_REGION": ""], "ap-south-1"),
    ] as [(String?, String, [String: String], String)])
  func order(configured: String?, host: String, environment: [String: String], expected: String) throws {
    let aws = try FakeAWS()
    try aws.write("[profile p]\nregion = eu-north-1\n", to: ".aws/config")
    let all = aws.environment(aws.instance.merging(environment) { $1 })

    let region = AWSRegion(configured: configured, host: host, environment: AWSEnvironment(all))
    #expect(try region.name() == expected)
    #expect(aws.server.requests.isEmpty == (expected != "ap-south-1"))
  }

  @Test("without any of them, all ways to say it are named") func unknown() throws {
    let aws = try FakeAWS()
    let region = AWSRegion(
      configured: nil, host: "localhost", environment: AWSEnvironment(aws.environment(["AWS_REGION": ""])))

    let failure = #expect(throws: Failure.self) { try region.name() }
    #expect(failure?.message == "the AWS region is not known")
    #expect(failure?.hint.contains("sink.region, or AWS_REGION, or region in the AWS profile") == true)
    #expect(failure?.exitCode == 2)
  }
}
