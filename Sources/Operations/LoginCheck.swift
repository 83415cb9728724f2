package import AWS
package import ChangeModel
internal import PostgresSource
internal import SQLMapping

/// Who signs in to a cluster with tokens, and what that identity lacks when the cluster refuses it.
package struct LoginCheck {
  private let login: DSQLLogin
  /// The role of the configuration, whose exact name STS does not give back.
  private let role: String?

  package init(_ login: DSQLLogin, role: String?) {
    self.login = login
    self.role = role
  }

  /// What is known after a sign-in that worked.
  func finding(databaseUser: String) -> Finding {
    let subject = "user \(databaseUser)"
    do throws(Failure) {
      let origin = try login.origin()
      guard login.isAWS else {
        return Finding(.targetIdentity, .info, subject, "signed in with credentials from \(origin)")
      }
      return Finding(
        .targetIdentity, .info, subject, "signed in as \(try login.caller().arn), with credentials from \(origin)")
    } catch {
      return Finding(
        .targetIdentity, .warning, subject,
        "signed in, but whose credentials these are can't be said: \(error.message)",
        fix: error.hint)
    }
  }

  /// What to do about a refused sign-in: the statements to add, with the names that are known.
  /// - Returns: `nil` when the refusal is about something else.
  package func fix(for failure: Failure) -> String? {
    let text = failure.message
    let lacksMapping = text.contains("IAM authentication failed")
    guard lacksMapping || text.contains("unable to accept connection, access denied") else { return nil }
    // A token that is refused for itself is no matter of rights.
    if text.contains("Wrong user to action mapping") || text.contains("Signature") || text.contains("expired") {
      return nil
    }
    let caller: STS.Caller?
    var steps: [String] = []
    do throws(Failure) {
      caller = login.isAWS ? try login.caller() : nil
    } catch {
      caller = nil
      steps.append("Whose credentials these are can't be said: \(error.message).")
    }
    let principal = role ?? caller?.principal
    if !lacksMapping {
      steps.append(
        "Add to the IAM policy of \(principal ?? "the identity that signs"): \(statement(of: caller?.account))")
    }
    if lacksMapping || (login.action == .connect && !text.contains("is not authorized")) {
      steps.append(
        "In the cluster, as admin: AWS IAM GRANT \(quotedIdentifier(login.user)) TO '\(principal ?? "arn:aws:iam::…")';"
      )
    }
    if role == nil, caller.map({ $0.principal != $0.arn }) == true {
      steps.append("If the role has a path, it belongs into its ARN.")
    }
    return steps.joined(separator: "\n")
  }

  private func statement(of account: String?) -> String {
    let region = (try? login.regionName()) ?? "*"
    let id = login.host.hasSuffix(".on.aws") ? login.host.prefix { $0 != "." } : "*"
    return #"{"Effect":"Allow","Action":"dsql:\#(login.action.rawValue)","#
      + #""Resource":"arn:aws:dsql:\#(region):\#(account ?? "*"):cluster/\#(id)"}"#
  }
}
