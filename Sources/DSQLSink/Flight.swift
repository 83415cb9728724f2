package import ChangeModel
package import Postgres
package import SQLMapping

/// One transaction's statements on their way: queued, sent together, and judged together.
///
/// It remembers what each step is, so that a failure can be told by its place, and which statements the session has
/// prepared.
package struct Flight: ~Copyable {
  /// What a step of the flight is.
  package enum Step: Hashable {
    case begin, commit, state, letters
    /// Of this text.
    case prepare(String)
    /// Index of a planned statement.
    case statement(Int)
  }

  private let connection: Connection
  private let isPipelined: Bool
  package private(set) var steps: [Step] = []
  private var affected: [Int] = []
  private var hasDeparted = false
  private var stepFailure: (Step, Failure)?

  package init(_ connection: Connection, isPipelined: Bool) throws(Failure) {
    self.connection = connection
    self.isPipelined = isPipelined
    try connection.beginFlight()
  }

  package mutating func send(_ step: Step, _ sql: String) throws(Failure) {
    guard stepFailure == nil else { return }
    try connection.queue(sql)
    try sent(step)
  }

  package mutating func sendText(
    _ step: Step, sql: String, _ parameters: [String?]
  ) throws(Failure) {
    guard let name = try prepare(sql, types: []) else { return }
    try connection.queuePreparedText(name: name, parameters)
    try sent(step)
  }

  package mutating func send(_ step: Step, _ statement: Statement, _ parameters: [ParameterBytes]) throws(Failure) {
    guard let name = try prepare(statement.sql, types: statement.types) else { return }
    try unsafe connection.queuePrepared(name: name, parameters)
    try sent(step)
    if isPipelined { try connection.pushFlight() }
  }

  /// - Returns: the statement's name in this session, `nil` once the flight has failed.
  private mutating func prepare(_ sql: String, types: [UInt32]) throws(Failure) -> String? {
    if stepFailure != nil { return nil }
    if let name = connection.preparedStatements[sql] { return name }
    let name = "s\(connection.preparedCount)"
    connection.preparedCount += 1
    try connection.queuePrepare(name: name, sql: sql, types: types)
    // Taken back below if the server did not come so far.
    connection.preparedStatements[sql] = name
    try sent(.prepare(sql))
    return stepFailure == nil ? name : nil
  }

  private mutating func sent(_ step: Step) throws(Failure) {
    steps.append(step)
    guard !isPipelined else { return }
    try connection.closeFlight()
    try land(from: steps.count - 1)
    if stepFailure == nil { try connection.beginFlight() }
  }

  /// Sends the flight's end without waiting for answers.
  package mutating func depart() throws(Failure) {
    guard isPipelined, !hasDeparted else { return }
    hasDeparted = true
    try connection.closeFlight()
  }

  /// Ends the flight and waits for all its answers.
  ///
  /// - Returns: rows touched, by step.
  /// - Throws: when the session broke.
  package mutating func finish() throws(Failure) -> Outcome {
    if isPipelined {
      try depart()
      try land(from: 0)
    } else if stepFailure == nil {
      try connection.closeFlight()
      try land(from: steps.count)
    }
    if let (step, failure) = stepFailure { return .failed(step, failure) }
    return .done(affected)
  }

  package enum Outcome {
    case done([Int])
    case failed(Step, Failure)
  }

  private mutating func land(from first: Int) throws(Failure) {
    switch try connection.landFlight(steps: steps.count - first) {
    case .done(let done): affected += done.map(\.affected)
    case .failed(let index, let failure):
      let failedAt = min(first + index, steps.count - 1)
      stepFailure = (steps[failedAt], failure)
      for step in steps[failedAt...] {
        if case .prepare(let sql) = step { connection.preparedStatements[sql] = nil }
      }
    }
  }
}
