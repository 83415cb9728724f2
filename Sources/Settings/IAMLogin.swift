/// A login with tokens that are signed with AWS credentials.
package struct IAMLogin: Hashable, Sendable {
  /// The region tokens are signed for; `nil` when it is to be looked for.
  package let region: String?
  /// The role to assume first; `nil` to sign with the credentials that are found.
  package let role: String?
  /// What the role's trust policy may ask for.
  package let externalID: String?
  /// What AWS's logs call the session of the role.
  package let sessionName: String

  package init(
    region: String? = nil, role: String? = nil, externalID: String? = nil, sessionName: String
  ) {
    self.region = region
    self.role = role
    self.externalID = externalID
    self.sessionName = sessionName
  }
}

extension IAMLogin {
  static let rolePattern = "arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+"
  static let roleExpected = "the ARN of a role such as arn:aws:iam::123456789012:role/penstock"
  static let externalIDPattern = "[A-Za-z0-9_+=,.@:/-]{2,1224}"
  static let externalIDExpected = "2 to 1224 letters, digits or _+=,.@:/-"
  static let sessionNamePattern = "[A-Za-z0-9_+=,.@-]{2,64}"
  static let sessionNameExpected = "2 to 64 letters, digits or _+=,.@-"

  /// The settings that mean nothing without tokens.
  static let keys = ["region", "iam-role", "iam-external-id", "iam-session-name"]

  /// - Returns: `nil` when the login is by password.
  static func read(
    _ section: inout SettingsSection, _ kind: SinkSettings.Kind, _ provider: String, pipeline: String
  ) -> IAMLogin? {
    let region = section.optional(
      .text(
        "region", "[a-z0-9-]+", expected: "an AWS region such as us-east-1", "The AWS region tokens are signed for."),
      absent: "the label before `.on.aws` in `host`, else `AWS_REGION`, the AWS profile's, or the EC2 instance's")
    let role = section.optional(
      .text(
        "iam-role", rolePattern, expected: roleExpected,
        "The role to assume by STS before tokens are signed."),
      absent: "the AWS credentials that are found, as they are")
    let externalID = section.optional(
      .text(
        "iam-external-id", externalIDPattern, expected: externalIDExpected,
        "The external id that the trust policy of `iam-role` asks for."), absent: "none")
    let sessionName = section.optional(
      .text(
        "iam-session-name", sessionNamePattern, expected: sessionNameExpected,
        "What AWS's logs call the session of `iam-role`."), absent: "`penstock-` and the pipeline's name")
    for key in ["iam-external-id", "iam-session-name"] { section.rule(.needsOne(["iam-role"], with: key)) }
    guard kind == .dsql else { return nil }
    guard provider == "iam" else {
      let reason = section.isGiven("use-iam-auth") ? "use-iam-auth is false" : "auth-provider is \(provider)"
      for key in keys where section.isGiven(key) {
        section.report(key, "given although \(reason); expected it to be absent")
      }
      return nil
    }
    if section.isGiven("password") {
      let reason = section.isGiven("auth-provider") ? "auth-provider is iam" : "use-iam-auth is true"
      section.report(
        "password",
        "given although \(reason); expected it to be absent, or \(section.isGiven("auth-provider") ? "auth-provider: password" : "use-iam-auth: false")"
      )
    }
    return IAMLogin(
      region: region, role: role, externalID: externalID,
      sessionName: sessionName ?? "penstock-\(pipeline)")
  }
}
