internal import ChangeModel

/// How far this machine's clock is from AWS's, as AWS says when it refuses a signature:
/// `Signature expired: 20260915T120000Z is now earlier than 20260915T120500Z (20260915T122000Z - 15 min.)`.
struct ClockSkew: Hashable, Sendable {
  /// Positive when this machine is ahead.
  let seconds: Int64

  /// Less is no reason for anything.
  static let toleratedSeconds: Int64 = 60

  init(seconds: Int64) { self.seconds = seconds }

  /// `nil` when the text says nothing about AWS's time.
  init?(refusal text: String, now: UnixTime) {
    guard text.contains("Signature expired") || text.contains("Signature not yet current") else { return nil }
    let times = text.split(separator: "(").dropFirst().compactMap { UnixTime(basicFormat: String($0.prefix(16))) }
    guard let theirs = times.last else { return nil }
    seconds = now - theirs
  }

  var isNotable: Bool { abs(seconds) > Self.toleratedSeconds }

  /// Such as `this machine's clock is 17 min behind AWS's`.
  var sentence: String { Self.sentence(seconds) }

  static func sentence(_ seconds: Int64) -> String {
    let amount = abs(seconds) < 600 ? "\(abs(seconds)) s" : "\(abs(seconds) / 60) min"
    return "this machine's clock is \(amount) \(seconds < 0 ? "behind" : "ahead of") AWS's"
  }

  static let unknownBehind = "AWS says that a new token has expired: this machine's clock is behind AWS's"
  static let unknownAhead = "AWS says that a token is from the future: this machine's clock is ahead of AWS's"
  static let hint = "Set this machine's clock, and keep it right with NTP, such as chrony or systemd-timesyncd."

  /// - Parameter place: where AWS said so.
  func failure(at place: String) -> Failure { Failure(.sink, sentence, location: place, hint: Self.hint) }
}
