package import ChangeModel
import Synchronization

/// The region of a cluster or of tables: looked for once, when it is first needed.
///
/// In this order: the configuration, the label before `.on.aws` in the endpoint's name, `AWS_REGION`,
/// `AWS_DEFAULT_REGION`, the profile, the metadata of the EC2 instance.
package final class AWSRegion: Sendable {
  private let configured: String?
  private let host: String
  private let side: Failure.Kind
  private let environment: AWSEnvironment
  private let found = Mutex<String?>(nil)

  /// - Parameters:
  ///   - host: the endpoint; may be empty.
  ///   - side: `.source` or `.sink`: whose region it is, for messages.
  package init(configured: String?, host: String, side: Failure.Kind = .sink, environment: AWSEnvironment) {
    self.configured = configured
    self.host = host
    self.side = side
    self.environment = environment
  }

  /// Blocks for a few seconds at most, and only when nothing but the instance can say.
  package func name() throws(Failure) -> String {
    try found.withLock { (found) throws(Failure) in
      if let found { return found }
      let name = try search()
      found = name
      return name
    }
  }

  private func search() throws(Failure) -> String {
    let region =
      configured ?? Self.region(ofEndpoint: host) ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"]
    if let region { return region }
    if let region = try SharedFiles.read(environment).profile(of: environment)?["region"] { return region }
    if let region = try InstanceMetadata(environment).region() { return region }
    throw Failure(
      .configuration, "the AWS region is not known", location: host,
      hint: "Set \(side).region, or AWS_REGION, or region in the AWS profile; the endpoint's name does not say it.")
  }

  /// The region in `<id>.dsql.<region>.on.aws`, in which `dsql` may have a suffix.
  package static func region(ofEndpoint host: String) -> String? {
    let labels = host.split(separator: ".", omittingEmptySubsequences: false)
    guard labels.count >= 5, labels[1].hasPrefix("dsql"), labels.suffix(2) == ["on", "aws"] else { return nil }
    return String(labels[labels.count - 3])
  }
}
