@testable import AWS
import Testing

@Suite struct SharedFilesTests {
  static func files(config: String = "", credentials: String = "") -> SharedFiles {
    SharedFiles(config: config, at: "config", credentials: credentials, at: "credentials")
  }

  @Test(
    "lines are read as AWS's tools read them",
    arguments: [
      ("[default]\na=1", "1"), ("[default]\r\n a = 1 \r\nb=2\r\n", "1"), ("[ default ]\nA\t=\t1", "1"),
      ("# x\n; y\n\n[default] # z\na = 1 # no", "1"), ("[default]\na = 1#yes", "1#yes"), ("[default]\na = 1 ;no", "1"),
      ("[default]\na = x=y", "x=y"), ("[default]\nb =\n  a = 2\na = 1", "1"), ("[default]\na = 1\n  and more", "1"),
      ("[default]\n  b = 2\n  a = 1", "1"), ("[default]\na = 2\na = 1", "1"),
      ("[default]\na = 2\n[default]\na = 1", "1"),
      ("[profile default]\na = 1\n[default]\na = 2", "1"), ("[default]\na = #1", nil), ("[default]\na =", nil),
      ("a = 1", nil), ("[profile other]\na = 1", nil), ("[default\na = 1", nil), ("[services x]\na = 1", nil),
      ("[default]\nnonsense\na = 1", "1"),
    ] as [(String, String?)])
  func lines(config: String, value: String?) {
    #expect(Self.files(config: config).profiles["default"]?["a"] == value)
  }

  @Test(
    "a section's header says its kind and name",
    arguments: [
      ("[profile x]", "[x]", "x"), ("[profile \"my name\"]", "[my name]", "my name"),
      ("[profile   'q']", "['q']", "q"), ("[profile my name]", "[\"my name\"]", "my name"),
    ])
  func headers(inConfig: String, inCredentials: String, name: String) {
    let files = Self.files(config: "\(inConfig)\na = 1", credentials: "\(inCredentials)\nb = 2")

    #expect(files.profiles[name]?["a"] == "1")
    #expect(files.profiles[name]?["b"] == "2")
    #expect(files.profiles.count == 1)
  }

  @Test("a bare name in the configuration is no profile, and a session is none either") func kinds() {
    let files = Self.files(config: "[x]\na = 1\n[sso-session s]\nsso_region = r")

    #expect(files.profiles.isEmpty)
    #expect(files.sessions == ["s": ["sso_region": "r"]])
  }

  @Test("the credentials file counts more, and its keys are never mixed with the other's") func precedence() {
    let files = Self.files(
      config: "[profile x]\nregion = r\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = T",
      credentials: "[x]\nregion = q\naws_access_key_id = B\naws_secret_access_key = U")

    #expect(files.profiles["x"]?["region"] == "q")
    #expect(files.profiles["x"]?.keys["aws_access_key_id"] == "B")
    #expect(files.profiles["x"]?.keys["aws_session_token"] == nil)
  }
}
