package import ChangeModel
import Synchronization

/// The default chain of AWS's libraries: environment, shared files, web identity, container, EC2 instance. The first that
/// has credentials gives them; one that has them and fails ends the search.
package final class CredentialsChain: CredentialsProvider {
  /// The links, in order.
  enum Link: CaseIterable { case environment, profile, webIdentity, container, instance }

  private let environment: AWSEnvironment
  private let region: AWSRegion
  private let last = Mutex<Link?>(nil)

  /// - Parameter region: where STS is asked for the roles of the chain.
  package init(_ environment: AWSEnvironment, region: AWSRegion) {
    self.environment = environment
    self.region = region
  }

  package func credentials(now: UnixTime) throws(Failure) -> AWSCredentials {
    var absences: [String] = []
    for link in Link.allCases {
      switch try look(link, now: now) {
      case .found(let credentials):
        last.withLock { $0 = link }
        return credentials
      case .absent(let reason):
        // It had some: that will pass, and nobody else's credentials are meant.
        if last.withLock({ $0 }) == link {
          throw Failure(
            .sink, "the AWS credentials have gone: \(reason)", hint: "They were found there before.",
            isTransient: true)
        }
        absences.append(reason)
      }
    }
    throw Failure(
      .configuration, "no AWS credentials found", location: absences.joined(separator: "; "),
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this machine or container a role."
    )
  }

  private func look(_ link: Link, now: UnixTime) throws(Failure) -> InstanceMetadata.Answer {
    func answer(_ found: AWSCredentials?, _ reason: String) -> InstanceMetadata.Answer {
      found.map { .found($0) } ?? .absent(reason)
    }
    switch link {
    case .environment:
      return answer(try AWSCredentials.find(in: environment), "AWS_ACCESS_KEY_ID is not set")
    case .profile:
      let name = SharedFiles.profileName(environment) ?? "default"
      return answer(
        try ProfileCredentials(environment: environment, region: region).find(now: now),
        "profile \"\(name)\" has no credentials")
    case .webIdentity:
      guard let identity = try WebIdentity.find(in: environment) else {
        return .absent("AWS_WEB_IDENTITY_TOKEN_FILE is not set")
      }
      let sts = try STS(region: region.name(), environment: environment)
      return .found(try identity.credentials(sts, now: now))
    case .container:
      return answer(
        try ContainerCredentials(environment).credentials(),
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set")
    case .instance: return try InstanceMetadata(environment).credentials()
    }
  }
}
