/// What `penstock token` makes a token for.
package struct TokenRequest: Hashable, Sendable {
  package enum Cluster: Hashable, Sendable {
    /// The sink of this configuration file.
    case sink(file: String)
    /// The region is `nil` when it is to be looked for.
    case endpoint(host: String, user: String, region: String?, role: String?)
  }

  package let cluster: Cluster
  /// `nil` for the usual life.
  package let lifetimeSeconds: Int64?

  package init(_ cluster: Cluster, lifetimeSeconds: Int64? = nil) {
    self.cluster = cluster
    self.lifetimeSeconds = lifetimeSeconds
  }

  /// - Parameter file: empty when there is none.
  init(_ options: [String: String], file: String) throws(UsageError) {
    func problem(_ message: String) -> UsageError { usageError(message, of: .token) }
    if let text = options["--expires-in"] {
      guard let seconds = Int64(text), (1...604_800).contains(seconds) else {
        throw problem("--expires-in needs seconds from 1 to 604800")
      }
      lifetimeSeconds = seconds
    } else {
      lifetimeSeconds = nil
    }
    guard let host = options["--host"] else {
      if let extra = ["--user", "--admin", "--region", "--iam-role"].first(where: { options[$0] != nil }) {
        throw problem("\(extra) goes with --host only; a configuration file says it itself")
      }
      if file.isEmpty { throw problem("token needs a configuration file, or --host") }
      cluster = .sink(file: file)
      return
    }
    if host.contains(where: { "/:@ ".contains($0) }) {
      throw problem("--host needs the endpoint's name, without scheme and port")
    }
    if !file.isEmpty { throw problem("token takes a configuration file or --host, not both") }
    if options["--user"] != nil, options["--admin"] != nil { throw problem("token takes --user or --admin, not both") }
    guard let user = options["--admin"] != nil ? "admin" : options["--user"] else {
      throw problem("token needs --user or --admin")
    }
    cluster = .endpoint(host: host, user: user, region: options["--region"], role: options["--iam-role"])
  }
}
