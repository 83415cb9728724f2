/// A part of AWS with domains of its own, told by the region's name.
struct AWSPartition: Hashable, Sendable {
  let name: String
  /// Ends the names of services' hosts.
  let domain: String
  /// Ends the names of those that speak IPv6 too.
  let dualStackDomain: String

  /// An unknown region is taken for one of the commercial ones, as AWS's libraries do.
  init(region: String) {
    let found = Self.all.first { region.hasPrefix($0.prefix) } ?? ("", "aws", "amazonaws.com", "api.aws")
    (name, domain, dualStackDomain) = (found.name, found.domain, found.dualStackDomain)
  }

  private static let all: [(prefix: String, name: String, domain: String, dualStackDomain: String)] = [
    ("cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com", "api.aws"),
    ("eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
  ]
}
