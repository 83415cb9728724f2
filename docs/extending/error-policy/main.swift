import Penstock

/// Does about some SQLSTATEs what the configuration says, and about all others what Penstock would do.
///
///     sink:
///       error-policy: by-state
///       error-options: { "42501": reconnect, "23514": stop }
struct ByState: ErrorPolicy {
  private var dispositions: [String: Disposition] = [:]

  init(_ options: [String: String]) throws {
    for (state, name) in options {
      guard let disposition = Disposition(rawValue: name) else {
        throw Problem(description: "\(state): \(name) is none of \(Disposition.allCases.map(\.rawValue))")
      }
      dispositions[state] = disposition
    }
  }

  func dataError(_ error: TargetError) -> Disposition { decide(error) }
  func schemaError(_ error: TargetError) -> Disposition { decide(error) }

  private func decide(_ error: TargetError) -> Disposition {
    error.sqlState.flatMap { dispositions[$0] } ?? error.proposed
  }
}

struct Problem: Error, CustomStringConvertible { let description: String }

var extensions = Extensions()
extensions.registerErrorPolicy("by-state") { try ByState($0) }
await extensions.main()
