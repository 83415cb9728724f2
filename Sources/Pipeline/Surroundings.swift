internal import AWS
internal import ChangeModel
package import PenstockExtensions
package import Settings

/// What a program brings along beside a configuration file.
package struct Surroundings: Sendable {
  /// The environment it was started in.
  package let environment: [String: String]
  package let extensions: Extensions

  package init(_ environment: [String: String], _ extensions: Extensions = Extensions()) {
    self.environment = environment
    self.extensions = extensions
  }
}

extension Surroundings {
  /// The file's settings, with the names of this program's extensions.
  package func settings(_ path: String) throws(SettingsProblems) -> PipelineSettings {
    try PipelineSettings.load(path: path, environment: environment, extensions: extensions)
  }

  /// - Parameter tokens: for the provider `iam`.
  func gate(
    _ login: LoginSettings, _ server: ServerSettings, role: Failure.Kind, tokens: DSQLLogin? = nil
  ) throws(Failure) -> LoginGate {
    let provider: any AuthenticationProvider
    if let tokens {
      provider = IAMProvider(tokens)
    } else if let make = extensions.authenticationProviders[login.provider] {
      let context = LoginContext(
        host: server.host, port: server.port, user: server.username, database: server.database,
        options: login.options.mapValues(\.revealed))
      provider = try made("authentication provider", login.provider) { try make(context) }
    } else {
      provider = PasswordProvider(password: server.password?.revealed ?? "")
    }
    return LoginGate(provider, name: login.provider, role: role, place: server.description)
  }

  /// The policy about the target's errors.
  func errorPolicy(_ settings: ErrorPolicySettings) throws(Failure) -> any ErrorPolicy {
    guard let make = extensions.errorPolicies[settings.name] else { return DefaultErrorPolicy() }
    return try made("error policy", settings.name) { try make(settings.options.mapValues(\.revealed)) }
  }

  /// A registered source.
  func source(_ type: String, _ options: [String: Secret], pipeline: String) throws(Failure) -> OwnSource {
    guard let make = extensions.sources[type] else {
      throw Failure(.configuration, "no source \"\(type)\" is registered")
    }
    let context = PipelineContext(pipeline: pipeline, options: options.mapValues(\.revealed))
    return OwnSource(try made("source", type) { try make(context) }, name: type, role: .source)
  }

  /// A registered sink.
  func sink(_ own: OwnSinkSettings, pipeline: String) throws(Failure) -> OwnSink {
    guard let make = extensions.sinks[own.type] else {
      throw Failure(.configuration, "no sink \"\(own.type)\" is registered")
    }
    let context = PipelineContext(pipeline: pipeline, options: own.options.mapValues(\.revealed))
    return OwnSink(try made("sink", own.type) { try make(context) }, name: own.type, role: .sink)
  }

  private func made<Product>(_ kind: String, _ name: String, _ make: () throws -> Product) throws(Failure) -> Product {
    do { return try make() } catch {
      throw Failure(
        .configuration, "\(kind) \"\(name)\" can't be made: \(error)", hint: "Check its options in the configuration.")
    }
  }
}

/// The built-in error policy `default`: the table of errors decides.
private struct DefaultErrorPolicy: ErrorPolicy {}
