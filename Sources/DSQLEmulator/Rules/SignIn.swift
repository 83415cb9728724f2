import AWS

/// Whether a client may sign in: its token against its user, its endpoint, the time, and the credentials if known.
struct SignInRules: Sendable {
  /// Signatures are verified against these, if there are any; else any well-formed signature passes.
  var credentials: AWSCredentials?
  /// Whether the token's host must be the one the client asked for by SNI.
  var bindsHost: Bool

  static let denied = "unable to accept connection, access denied"

  private static func denied(_ hint: String) -> ServerError { ServerError("08006", denied, hint: hint) }

  /// - Parameters:
  ///   - endpoint: the server name from TLS.
  ///   - token: what the client sent as its password.
  func refusal(user: String, endpoint: String?, token: String, now: UnixTime) -> ServerError? {
    guard let token = PresignedToken(token) else { return Self.denied("The password is not an authentication token.") }
    if token.action != DSQLToken.Action(user: user).rawValue {
      return Self.denied("Wrong user to action mapping. user: \(user), action: \(token.action)")
    }
    if bindsHost, token.host != endpoint {
      return Self.denied("The token was made for another endpoint: \(token.host)")
    }
    if let region = AWSRegion.region(ofEndpoint: token.host), region != token.region {
      return Self.denied("Credential should be scoped to a valid region: \(region), not \(token.region).")
    }
    if let error = Self.timeRefusal(token, now: now) { return error }
    return signatureRefusal(token)
  }

  private static func timeRefusal(_ token: PresignedToken, now: UnixTime) -> ServerError? {
    if now > token.date + token.expiresAfterSeconds {
      let oldest = now + -token.expiresAfterSeconds
      return denied(
        "Signature expired: \(token.date.basicFormat) is now earlier than \(oldest.basicFormat) "
          + "(\(now.basicFormat) - \(token.expiresAfterSeconds) s.)")
    }
    let skewSeconds: Int64 = 300
    if token.date > now + skewSeconds {
      return denied(
        "Signature not yet current: \(token.date.basicFormat) is still later than \((now + skewSeconds).basicFormat) "
          + "(\(now.basicFormat) + 5 min.)")
    }
    return nil
  }

  private func signatureRefusal(_ token: PresignedToken) -> ServerError? {
    guard let credentials else { return nil }
    guard token.accessKeyID == credentials.accessKeyID, token.sessionToken == credentials.sessionToken else {
      return Self.denied("The security token included in the request is invalid.")
    }
    let expected = SigV4.presignature(
      host: token.host, query: token.signedQuery,
      scope: SigV4.Scope(date: token.date, region: token.region, service: "dsql"),
      secretAccessKey: credentials.secretAccessKey)
    if expected == token.signature { return nil }
    return Self.denied("The request signature we calculated does not match the signature you provided.")
  }
}

/// A DSQL token taken apart: a presigned URL without its scheme.
struct PresignedToken {
  let host: String
  let action: String
  let accessKeyID: String
  let region: String
  let date: UnixTime
  let expiresAfterSeconds: Int64
  let sessionToken: String?
  let signature: String
  /// Every parameter but the signature, decoded.
  let signedQuery: [(name: String, value: String)]

  /// `nil` when anything is missing, doubled or malformed.
  init?(_ text: String) {
    let bare = text.hasPrefix("https://") ? text.dropFirst("https://".count) : text[...]
    guard let slash = bare.firstIndex(of: "/"), bare[slash...].hasPrefix("/?") else { return nil }
    host = String(bare[..<slash])
    var query: [(name: String, value: String)] = []
    for pair in bare[slash...].dropFirst(2).split(separator: "&", omittingEmptySubsequences: false) {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard sides.count == 2, let name = Self.decoded(sides[0]), let value = Self.decoded(sides[1]) else { return nil }
      query.append((name, value))
    }
    var values: [String: String] = [:]
    for (name, value) in query where values.updateValue(value, forKey: name) != nil { return nil }
    let scope = (values["X-Amz-Credential"] ?? "").split(separator: "/", omittingEmptySubsequences: false)
    guard !host.isEmpty, let action = values["Action"], values["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256",
      values["X-Amz-SignedHeaders"] == "host", scope.count == 5, !scope[0].isEmpty, !scope[2].isEmpty,
      scope[3] == "dsql", scope[4] == "aws4_request",
      let date = values["X-Amz-Date"].flatMap(UnixTime.init(basicFormat:)), scope[1] == date.basicDate,
      let lifetime = values["X-Amz-Expires"].flatMap({ Int64($0) }), (1...604_800).contains(lifetime),
      let signature = values["X-Amz-Signature"], signature.utf8.count == 64
    else { return nil }
    self.action = action
    self.date = date
    self.signature = signature
    accessKeyID = String(scope[0])
    region = String(scope[2])
    expiresAfterSeconds = lifetime
    sessionToken = values["X-Amz-Security-Token"]
    signedQuery = query.filter { $0.name != "X-Amz-Signature" }
  }

  /// Undoes percent-encoding; `nil` for a broken escape.
  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = text.utf8[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(Substring(rest.prefix(2))), radix: 16) else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
