internal import PenstockExtensions

/// Who gives the passwords of one side's sessions.
package struct LoginSettings: Hashable, Sendable {
  /// A built-in provider or a registered one.
  package let provider: String
  /// For a registered one.
  package let options: [String: Secret]
}

extension LoginSettings {
  /// - Parameter builtIn: the providers that the side has without extensions.
  init(
    _ section: inout SettingsSection, of server: ServerSettings, default name: String, builtIn: [String],
    defaultText: String
  ) {
    provider =
      section.optional(
        .name(
          "auth-provider", builtIn: builtIn, registered: section.extensions.authenticationProviders.keys,
          kind: "an authentication provider",
          "Who gives the passwords or tokens of sessions; a program of your own can register "
            + "[other providers](extending.md)."), absent: defaultText) ?? name
    options = section.texts("auth-options", "For a registered `auth-provider`; what they mean is its own matter.")
    if builtIn.contains(provider) {
      if section.isGiven("auth-options") {
        section.report("auth-options", "only for a registered auth-provider; expected it to be absent")
      }
    } else if server.password != nil {
      section.report(
        section.isGiven("password") ? "password" : "url",
        "gives a password although auth-provider is \(provider); expected none")
    }
  }
}

/// Who decides about the target's errors.
package struct ErrorPolicySettings: Hashable, Sendable {
  /// A built-in policy or a registered one.
  package let name: String
  /// For a registered one.
  package let options: [String: Secret]
}

extension ErrorPolicySettings {
  init(_ section: inout SettingsSection) {
    name = section.value(
      .name(
        "error-policy", builtIn: BuiltInNames.errorPolicies, registered: section.extensions.errorPolicies.keys,
        kind: "an error policy",
        "Who decides about the target's errors: [the table of errors](errors.md), or a policy that a program of your own "
          + "[registers](extending.md)."), default: BuiltInNames.errorPolicies[0])
    options = section.texts("error-options", "For a registered `error-policy`; what they mean is its own matter.")
    if BuiltInNames.errorPolicies.contains(name), section.isGiven("error-options") {
      section.report("error-options", "only for a registered error-policy; expected it to be absent")
    }
  }
}
