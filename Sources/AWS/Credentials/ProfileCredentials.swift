internal import ChangeModel

/// The credentials of a profile in AWS's shared files.
///
/// Within one profile, in this order: a role to assume, a role for a web identity, SSO, keys, a process. A profile that
/// others assume roles from uses its keys first. One that has a console sign-in alone is refused.
struct ProfileCredentials: Sendable {
  let environment: AWSEnvironment
  /// Where STS is asked when the profile names no region.
  let region: AWSRegion

  /// - Returns: `nil` with no profile in use, or none with credentials.
  /// - Throws: a configuration failure for a profile that is named and missing, or contradicts itself.
  func find(now: UnixTime) throws(Failure) -> AWSCredentials? {
    let files = try SharedFiles.read(environment)
    guard let profile = files.profile(of: environment) else {
      guard let name = SharedFiles.profileName(environment) else { return nil }
      throw Failure(
        .configuration, "there is no AWS profile \"\(name)\"", location: files.configPath,
        hint: "Add [profile \(name)], or set AWS_PROFILE to one that exists.")
    }
    return try resolve(profile, files, path: [profile.name], now: now)
  }

  /// - Parameter path: the profiles that led here, this one last.
  private func resolve(
    _ profile: SharedFiles.Profile, _ files: SharedFiles, path: [String], now: UnixTime
  ) throws(Failure) -> AWSCredentials? {
    if path.count > 1, let keys = try keys(of: profile, files) { return keys }
    if let arn = profile["role_arn"] {
      let sts = try STS(region: place(of: profile), environment: environment)
      let role = STS.Role(
        arn: arn, sessionName: profile["role_session_name"] ?? "penstock", externalID: profile["external_id"],
        durationSeconds: profile["duration_seconds"].flatMap { Int($0) })
      if let file = profile["web_identity_token_file"], profile["source_profile"] == nil {
        return try WebIdentity(role: role, tokenFile: environment.path(file)).credentials(sts, now: now)
      }
      return try sts.assume(role, by: source(of: profile, files, path: path, now: now), now: now)
    }
    if let session = try SSOSession.find(in: profile, files, environment) { return try session.credentials(now: now) }
    if let keys = try keys(of: profile, files) { return keys }
    if let command = profile["credential_process"] {
      return try CredentialProcess(command: command, profile: profile.name).credentials()
    }
    if profile["login_session"] != nil {
      throw Failure(
        .configuration,
        "profile \"\(profile.name)\" was signed in by aws login, whose credentials only AWS's tools renew",
        location: files.configPath,
        hint: "Make a profile with credential_process = aws configure export-credentials --profile \(profile.name) "
          + "--format process, and name that one in AWS_PROFILE. The sign-in ends after 12 hours: a service needs a role."
      )
    }
    return nil
  }

  private func place(of profile: SharedFiles.Profile) throws(Failure) -> String {
    if let name = profile["region"] { return name }
    return try region.name()
  }

  /// The credentials that assume the profile's role.
  private func source(
    of profile: SharedFiles.Profile, _ files: SharedFiles, path: [String], now: UnixTime
  ) throws(Failure) -> AWSCredentials {
    func problem(_ what: String, hint: String) -> Failure {
      Failure(.configuration, "profile \"\(profile.name)\" \(what)", location: files.configPath, hint: hint)
    }
    if profile["mfa_serial"] != nil {
      throw problem(
        "asks for a one-time code (mfa_serial), which a service can't type",
        hint: "Use a role without it, or put temporary credentials into the environment.")
    }
    switch (profile["source_profile"], profile["credential_source"]) {
    case (.some, .some):
      throw problem("has both source_profile and credential_source", hint: "Remove one of them.")
    case (nil, nil):
      throw problem(
        "has role_arn, but nothing to assume the role with",
        hint: "Add source_profile, credential_source or web_identity_token_file.")
    case (let name?, nil):
      if name == profile.name, let keys = try keys(of: profile, files) { return keys }
      if path.contains(name) {
        throw problem("is its own source: \((path + [name]).joined(separator: " → "))", hint: "Break the circle.")
      }
      guard let next = files.profiles[name] else {
        throw problem("names the source_profile \"\(name)\", which is missing", hint: "Add [profile \(name)].")
      }
      if let found = try resolve(next, files, path: path + [name], now: now) { return found }
      throw problem("names the source_profile \"\(name)\", which has no credentials", hint: "Add its keys.")
    case (nil, let name?):
      return try named(name, problem)
    }
  }

  private func named(
    _ source: String, _ problem: (String, String) -> Failure
  ) throws(Failure) -> AWSCredentials {
    let found: AWSCredentials?
    switch source {
    case "Environment": found = try AWSCredentials.find(in: environment)
    case "EcsContainer": found = try ContainerCredentials(environment).credentials()
    case "Ec2InstanceMetadata":
      if case .found(let credentials) = try InstanceMetadata(environment).credentials() { return credentials }
      found = nil
    default:
      throw problem(
        "has an unknown credential_source", "Use Environment, Ec2InstanceMetadata or EcsContainer.")
    }
    if let found { return found }
    throw problem("takes its credentials from \(source), which has none", "Use another credential_source.")
  }

  private func keys(of profile: SharedFiles.Profile, _ files: SharedFiles) throws(Failure) -> AWSCredentials? {
    func value(_ name: String) -> String? { profile.keys[name].flatMap { $0.isEmpty ? nil : $0 } }
    let (id, secret) = (value("aws_access_key_id"), value("aws_secret_access_key"))
    if id == nil && secret == nil { return nil }
    guard let id, let secret else {
      throw Failure(
        .configuration,
        "profile \"\(profile.name)\" has no \(id == nil ? "aws_access_key_id" : "aws_secret_access_key")",
        location: files.credentialsPath, hint: "Give both keys, or neither.")
    }
    return AWSCredentials(
      accessKeyID: id, secretAccessKey: secret, sessionToken: value("aws_session_token"),
      origin: "profile \"\(profile.name)\"")
  }
}
