internal import ChangeModel

/// The credentials endpoint of an ECS task or an EKS pod.
/// (AWS SDKs and Tools Reference Guide, "Container credential provider".)
struct ContainerCredentials: Sendable {
  private let environment: AWSEnvironment
  /// Where a relative address leads: ECS's own by default.
  private let relativeEndpoint: String
  private let service = AWSService(name: "the container's credentials service")

  init(_ environment: AWSEnvironment, relativeEndpoint: String = "http://169.254.170.2") {
    self.environment = environment
    self.relativeEndpoint = relativeEndpoint
  }

  /// `nil` when the environment names no endpoint.
  func credentials() throws(Failure) -> AWSCredentials? {
    let url: String
    if let path = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] {
      guard path.hasPrefix("/") else {
        throw Failure(
          .configuration, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with /", location: "environment")
      }
      url = relativeEndpoint + path
    } else if let full = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
      guard Self.isAllowed(full) else {
        throw Failure(
          .configuration, "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to a host that may not get the token",
          location: "environment",
          hint: "Use https, or http to this host, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23].")
      }
      url = full
    } else {
      return nil
    }
    var request = HTTPRequest(
      url: url, connectTimeout: .seconds(2), timeout: .seconds(5), isLocal: !url.hasPrefix("https:"))
    if let token = try authorization() { request.headers = [("Authorization", token)] }
    let response = try service.send(request)
    let document = CredentialsDocument(json: response.body)
    guard response.status == 200 else {
      let code = document?.Code.map { ": \($0)" } ?? ""
      throw service.failure(
        "\(service.name) refuses with HTTP status \(response.status)\(code)", request,
        hint: "Check that the task or pod has a role.")
    }
    guard let found = document?.credentials(origin: "the container") else {
      throw service.failure("\(service.name) answers without credentials", request)
    }
    return found
  }

  private func authorization() throws(Failure) -> String? {
    var token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    if let path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] {
      guard let bytes = try SmallFile.read(environment.path(path)) else {
        throw Failure(
          .configuration, "the container's authorization token file does not exist", location: path,
          hint: "Check AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.")
      }
      var text = String(decoding: bytes, as: UTF8.self)
      if text.last?.isNewline == true { text.removeLast() }
      token = text
    }
    if token?.contains(where: \.isNewline) == true {
      throw Failure(.configuration, "the container's authorization token holds a line break", location: "environment")
    }
    return token
  }

  /// The token must not leave the host in clear, and goes only where AWS answers.
  static func isAllowed(_ url: String) -> Bool {
    guard let scheme = ["https://", "http://"].first(where: url.hasPrefix) else { return false }
    let authority = url.dropFirst(scheme.count).prefix { !"/?#".contains($0) }
    // What stands before an @ is no host.
    if authority.contains("@") || authority.isEmpty { return false }
    if scheme == "https://" { return true }
    let host: Substring
    if authority.hasPrefix("[") {
      host = authority.dropFirst().prefix { $0 != "]" }
      let rest = authority.dropFirst(host.count + 2)
      guard rest.isEmpty || rest.hasPrefix(":") else { return false }
    } else {
      host = authority.prefix { $0 != ":" }
    }
    return ["localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23", "::1"].contains(String(host))
      || isLoopback(host)
  }

  /// An IPv4 address in 127.0.0.0/8, written as four numbers.
  private static func isLoopback(_ host: Substring) -> Bool {
    let parts = host.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127"
      && parts.allSatisfy { UInt8($0) != nil && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
  }
}
