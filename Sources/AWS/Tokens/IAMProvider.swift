package import PenstockExtensions

/// The built-in authentication provider `iam`. It blocks where AWS's services have to be asked.
package struct IAMProvider: AuthenticationProvider {
  private let tokens: TokenSource

  package init(_ login: DSQLLogin) { tokens = login.tokens }

  package func authToken() async throws -> String { try tokens.authToken() }

  package func refreshToken(after refusal: LoginRefusal?) async throws {
    guard let refusal else {
      _ = try tokens.authToken()
      return
    }
    _ = try tokens.refreshToken(insteadOf: refusal.token, text: refusal.message)
  }

  package func isTokenExpired() async -> Bool { tokens.isTokenExpired() }
}
