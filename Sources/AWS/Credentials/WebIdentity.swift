internal import ChangeModel

/// A role assumed with the token of an identity provider, as Kubernetes service accounts have one (IRSA).
struct WebIdentity: Sendable {
  let role: STS.Role
  /// Read anew each time, since the token is replaced in place.
  let tokenFile: String

  /// `nil` when the environment names none.
  static func find(in environment: AWSEnvironment) throws(Failure) -> WebIdentity? {
    guard let file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"] else { return nil }
    guard let arn = environment["AWS_ROLE_ARN"] else {
      throw Failure(
        .configuration, "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN", location: "environment",
        hint: "Set both; on EKS, annotate the service account with eks.amazonaws.com/role-arn.")
    }
    return WebIdentity(
      role: STS.Role(arn: arn, sessionName: environment["AWS_ROLE_SESSION_NAME"] ?? "penstock"),
      tokenFile: environment.path(file))
  }

  func credentials(_ sts: STS, now: UnixTime) throws(Failure) -> AWSCredentials {
    guard let bytes = try SmallFile.read(tokenFile) else {
      throw Failure(
        .configuration, "the web identity token file does not exist", location: tokenFile,
        hint: "Mount the service account's token there, or unset AWS_WEB_IDENTITY_TOKEN_FILE.")
    }
    let token = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map(String.init)
    guard let token else {
      throw Failure(.configuration, "the web identity token file is empty", location: tokenFile)
    }
    return try sts.assume(role, byWebIdentity: token, now: now)
  }
}
