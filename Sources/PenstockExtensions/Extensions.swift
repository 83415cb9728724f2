/// What a program brings to Penstock, by the names that its configuration files use.
///
/// A program of one's own fills one and calls `main()`; that is `penstock`, with the program's names beside the built-in
/// ones. Each registered closure makes the extension when a pipeline that names it is started; what it throws ends the
/// command as a wrong configuration does.
public struct Extensions: Sendable {
  /// Makes an extension of one kind from what the configuration says.
  package typealias Maker<Context, Product> = @Sendable (Context) throws -> Product

  package private(set) var authenticationProviders: [String: Maker<LoginContext, any AuthenticationProvider>] = [:]
  package private(set) var errorPolicies: [String: Maker<[String: String], any ErrorPolicy>] = [:]

  package private(set) var sources: [String: Maker<PipelineContext, any ChangeSource>] = [:]

  package private(set) var sinks: [String: Maker<PipelineContext, any ChangeSink>] = [:]

  /// None beside what is built in.
  public init() {}

  /// Makes a provider available as `auth-provider: name`, for source and sink.
  /// - Precondition: the name is 1 to 40 of a-z, 0-9 and `-`, not registered before, and neither `iam` nor `password`.
  public mutating func registerAuthenticationProvider(
    _ name: String, _ make: @escaping @Sendable (LoginContext) throws -> any AuthenticationProvider
  ) {
    Self.check(name, new: !authenticationProviders.keys.contains(name), builtIn: BuiltInNames.authenticationProviders)
    authenticationProviders[name] = make
  }

  /// Makes a policy available as `sink.error-policy: name`; the closure gets the mapping `sink.error-options`.
  /// - Precondition: the name is 1 to 40 of a-z, 0-9 and `-`, not registered before, and not `default`.
  public mutating func registerErrorPolicy(
    _ name: String, _ make: @escaping @Sendable (_ options: [String: String]) throws -> any ErrorPolicy
  ) {
    Self.check(name, new: !errorPolicies.keys.contains(name), builtIn: BuiltInNames.errorPolicies)
    errorPolicies[name] = make
  }

  /// Makes a source available as `source.type: name`; the mapping `source.options` is its own.
  /// - Precondition: the name is 1 to 40 of a-z, 0-9 and `-`, not registered before, and not `postgres`.
  public mutating func registerSource(
    _ name: String, _ make: @escaping @Sendable (PipelineContext) throws -> any ChangeSource
  ) {
    Self.check(name, new: !sources.keys.contains(name), builtIn: BuiltInNames.sources)
    sources[name] = make
  }

  /// Makes a sink available as `sink.type: name`; the mapping `sink.options` is its own.
  /// - Precondition: the name is 1 to 40 of a-z, 0-9 and `-`, not registered before, and neither `dsql` nor `postgres`.
  public mutating func registerSink(
    _ name: String, _ make: @escaping @Sendable (PipelineContext) throws -> any ChangeSink
  ) {
    Self.check(name, new: !sinks.keys.contains(name), builtIn: BuiltInNames.sinks)
    sinks[name] = make
  }

  private static func check(_ name: String, new isNew: Bool, builtIn: [String]) {
    let isName =
      (1...40).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte)
      }
    precondition(isName, "\"\(name)\" is no name of an extension: 1 to 40 of a-z, 0-9 and -")
    precondition(isNew && !builtIn.contains(name), "\"\(name)\" is the name of another extension")
  }
}

/// The names that are there without any extension.
package enum BuiltInNames {
  package static let authenticationProviders = ["iam", "password"]
  package static let errorPolicies = ["default"]
  package static let sources = ["postgres", "dynamodb"]
  package static let sinks = ["dsql", "postgres"]
}
