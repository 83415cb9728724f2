package import ChangeModel

/// Where DynamoDB is, and where its streams are: two services with hosts of their own.
package struct DynamoDBEndpoints: Hashable, Sendable {
  package let region: String
  let tables: ServiceEndpoint
  let streams: ServiceEndpoint

  /// In this order: what is configured, `AWS_ENDPOINT_URL_DYNAMODB` and `AWS_ENDPOINT_URL_DYNAMODB_STREAMS`,
  /// `AWS_ENDPOINT_URL`, AWS's own. `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` choose among the latter.
  ///
  /// - Parameters:
  ///   - endpoint: a URL, `http` or `https`; serves the streams too unless there is another for them, as DynamoDB Local
  ///     does.
  ///   - usesFIPS: `nil` leaves it to the environment, as does `usesDualStack`.
  /// - Throws: a configuration failure for a URL that is none, or for FIPS or dual stack together with a URL.
  package init(
    region: String, endpoint: String? = nil, streamsEndpoint: String? = nil, usesFIPS: Bool? = nil,
    usesDualStack: Bool? = nil, environment: [String: String]
  ) throws(Failure) {
    let environment = AWSEnvironment(environment)
    self.region = region
    let given = try Self.parse(endpoint, "endpoint")
    var (tables, streams) = (given, try Self.parse(streamsEndpoint, "streams-endpoint") ?? given)
    if tables == nil { tables = try environment.configuredEndpoint(of: "DYNAMODB") }
    if streams == nil { streams = try environment.configuredEndpoint(of: "DYNAMODB_STREAMS") }
    let isFIPS = usesFIPS ?? environment.isTrue("AWS_USE_FIPS_ENDPOINT")
    let isDualStack = usesDualStack ?? environment.isTrue("AWS_USE_DUALSTACK_ENDPOINT")
    if tables != nil || streams != nil, isFIPS || isDualStack {
      throw Failure(
        .configuration, "an endpoint of one's own can't be chosen together with \(isFIPS ? "FIPS" : "dual stack")",
        location: "source", hint: "Remove the endpoint's URL, or the wish for \(isFIPS ? "FIPS" : "dual stack").")
    }
    self.tables = tables ?? Self.usual("dynamodb", region, isFIPS: isFIPS, isDualStack: isDualStack)
    self.streams = streams ?? Self.usual("streams.dynamodb", region, isFIPS: isFIPS, isDualStack: isDualStack)
  }

  private static func parse(_ url: String?, _ setting: String) throws(Failure) -> ServiceEndpoint? {
    guard let url else { return nil }
    guard let endpoint = ServiceEndpoint(url: url) else {
      throw Failure(
        .configuration, "source.\(setting) is not a URL of a service", location: url,
        hint: "Write it as https://host or http://host:port.")
    }
    return endpoint
  }

  private static func usual(_ service: String, _ region: String, isFIPS: Bool, isDualStack: Bool) -> ServiceEndpoint {
    let partition = AWSPartition(region: region)
    var name = service
    // The oldest partitions write the streams' dual-stack host with a hyphen; in GovCloud the usual host is the FIPS one.
    if isDualStack, ["aws", "aws-cn", "aws-us-gov"].contains(partition.name) {
      name = name.replacing("streams.", with: "streams-")
    }
    if isFIPS, isDualStack || partition.name != "aws-us-gov" { name += "-fips" }
    let domain = isDualStack ? partition.dualStackDomain : partition.domain
    return ServiceEndpoint(scheme: "https", host: "\(name).\(region).\(domain)")
  }
}
