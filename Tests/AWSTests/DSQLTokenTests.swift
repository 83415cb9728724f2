import AWS
import Testing

/// Dummy credentials and a date, with signatures that botocore 1.44.5 gives for them.
@Suite struct DSQLTokenTests {
  let host = "abcdefghijklmnopqrstuvwx23.dsql.eu-central-1.on.aws"
  let date = UnixTime(basicFormat: "20260915T120000Z")!

  func sign(_ action: DSQLToken.Action, sessionToken: String? = nil) -> String {
    DSQLToken.sign(
      credentials: AWSCredentials(
        accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        sessionToken: sessionToken),
      host: host, region: "eu-central-1", action: action, date: date)
  }

  @Test("an admin token equals botocore's, byte for byte")
  func adminToken() {
    #expect(
      sign(.connectAdmin) == """
        abcdefghijklmnopqrstuvwx23.dsql.eu-central-1.on.aws/?Action=DbConnectAdmin&X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIDEXAMPLE%2F20260915%2Feu-central-1%2Fdsql%2Faws4_request&X-Amz-Date=20260915T120000Z\
        &X-Amz-Expires=900&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=fe1f4b8be5be57685a4d7033e9020e6dbcbb9fbefeb16976cdb8f4a00e503ebe
        """)
  }

  @Test("a token for another role asks for another action")
  func roleToken() {
    let token = sign(.connect)

    #expect(token.hasPrefix("\(host)/?Action=DbConnect&X-Amz-Algorithm="))
    #expect(token.hasSuffix("&X-Amz-Signature=2832dca25b1120e01cceb3eaf88be08244dfe860f0e364a03426eb0edd12dd2e"))
  }

  @Test("a session token is encoded and signed between expiry and headers")
  func sessionToken() {
    let token = sign(.connect, sessionToken: "FwoGZXIvYXdzEXAMPLE//+token=")

    #expect(
      token.hasSuffix(
        "&X-Amz-Expires=900&X-Amz-Security-Token=FwoGZXIvYXdzEXAMPLE%2F%2F%2Btoken%3D&X-Amz-SignedHeaders=host"
          + "&X-Amz-Signature=304ba127b5e5d7c38ea45900a36e39dfd5a8b0cddc34d83e8e7fad5047328b5b"))
  }

  @Test(
    "only admin asks for the admin action",
    arguments: [("admin", "DbConnectAdmin"), ("app", "DbConnect"), ("Admin", "DbConnect")])
  func actionOfUser(user: String, action: String) {
    #expect(DSQLToken.Action(user: user).rawValue == action)
  }
}

@Suite struct UnixTimeTests {
  @Test(
    "reads and prints the basic ISO 8601 form",
    arguments: [
      ("19700101T000000Z", 0), ("20260915T120000Z", 1_789_473_600), ("20000229T235959Z", 951_868_799),
      ("21000301T000000Z", 4_107_542_400), ("19691231T235959Z", -1), ("00010101T000000Z", -62_135_596_800),
      ("99991231T235959Z", 253_402_300_799),
    ])
  func basicFormat(text: String, seconds: Int64) {
    #expect(UnixTime(basicFormat: text)?.seconds == seconds)
    #expect(UnixTime(seconds: seconds).basicFormat == text)
  }

  @Test(
    "refuses what is not a date",
    arguments: [
      "", "20260915T120000", "20260230T000000Z", "20261301T000000Z", "20260100T000000Z", "20260101T240000Z",
      "2026-09-15T12:0Z", "20260915t120000Z", "20260915T12000xZ",
    ])
  func refuses(text: String) {
    #expect(UnixTime(basicFormat: text) == nil)
  }
}
