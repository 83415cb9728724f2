internal import ChangeModel

/// The variables of the environment that AWS's tools and libraries read; an empty one counts as unset.
package struct AWSEnvironment: Sendable {
  private let variables: [String: String]

  package init(_ variables: [String: String]) { self.variables = variables }

  subscript(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

  func isTrue(_ name: String) -> Bool { self[name]?.lowercased() == "true" }

  /// A path in which `~/` stands for the home directory.
  func path(_ text: String) -> String {
    guard text.hasPrefix("~/"), let home = self["HOME"] else { return text }
    return home + text.dropFirst()
  }

  /// Where a service is: `AWS_ENDPOINT_URL_STS` and the like, `AWS_ENDPOINT_URL`, or its address in the region.
  /// - Parameter service: as it stands in the variable's name.
  func endpoint(of service: String, default host: String, region: String) throws(Failure) -> ServiceEndpoint {
    try configuredEndpoint(of: service)
      ?? ServiceEndpoint(scheme: "https", host: "\(host).\(region).\(AWSPartition(region: region).domain)")
  }

  /// `nil` where no variable leads the service's calls anywhere.
  func configuredEndpoint(of service: String) throws(Failure) -> ServiceEndpoint? {
    if isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") { return nil }
    for name in ["AWS_ENDPOINT_URL_\(service)", "AWS_ENDPOINT_URL"] {
      guard let url = self[name] else { continue }
      guard let endpoint = ServiceEndpoint(url: url) else {
        throw Failure(
          .configuration, "\(name) is not a URL of a service", location: "environment",
          hint: "Write it as https://host or http://host:port.")
      }
      return endpoint
    }
    return nil
  }

  /// Whether calls of this service go somewhere that was chosen by hand.
  func hasEndpoint(of service: String) -> Bool {
    !isTrue("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
      && (self["AWS_ENDPOINT_URL_\(service)"] ?? self["AWS_ENDPOINT_URL"]) != nil
  }

  /// A file of certificates to trust for AWS's services.
  var certificates: String? { self["AWS_CA_BUNDLE"] }
}

/// Scheme, host and port of a service.
struct ServiceEndpoint: Hashable, Sendable {
  let scheme: String
  /// With the port when the URL has one, as it stands in the `Host` header.
  let host: String

  init(scheme: String, host: String) {
    self.scheme = scheme
    self.host = host
  }

  /// `nil` for another scheme, a path, or what no host is made of.
  init?(url: String) {
    guard let scheme = ["https", "http"].first(where: { url.lowercased().hasPrefix($0 + "://") }) else { return nil }
    var host = url.dropFirst(scheme.count + 3)
    if host.last == "/" { host.removeLast() }
    guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
      !host.contains(where: { "/?#@".contains($0) })
    else { return nil }
    // Default ports are left out of the header, and so of what is signed.
    let usual = scheme == "https" ? ":443" : ":80"
    if host.hasSuffix(usual) { host.removeLast(usual.count) }
    self.init(scheme: scheme, host: String(host))
  }

  var url: String { "\(scheme)://\(host)" }
}
