/// A source of one's own: gives tables and their changes, which go to the target as PostgreSQL's do.
///
/// Penstock reads by position. What it has committed, it remembers in the target, in the same transactions as the rows, so a
/// change takes effect exactly once although it may be read several times: after a failure or a restart `transactions` is
/// asked again from an earlier position and must give the same transactions again. Changes of one key take effect in
/// order; with `fidelity: transaction` so do whole transactions.
///
/// The calls come one at a time, on a thread of the source's own, so they may block. The next transactions are asked for only
/// while less than `sink.buffer-size` waits to be written: memory is bounded by that and two answers. A call that is under way
/// when the pipeline stops is cancelled, and the pipeline waits for its end. What a call throws is logged and the call tried
/// again within `sink.retry`; its description must hold no values of rows.
public protocol ChangeSource: Sendable {
  /// Tells this source from others: a pipeline goes on only with the one that it was begun with.
  func identity() async throws -> String

  /// All tables there are; `source.tables` selects among them. Asked at each start. Must stay the same for as long as the
  /// pipeline lives, but for tables that are not selected.
  func tables() async throws -> [Table]

  /// The next transactions after a position, in order, as many as are at hand. It is one that the source has given, or 0 for
  /// before the first.
  ///
  /// A source that has rows at its beginning gives them as `upsert`s in its first transactions. An answer of some thousand
  /// changes is large enough.
  /// - Returns: none when there are no others yet: Penstock asks again a little later; `nil` when there never will be, which
  ///   ends the pipeline once everything is committed.
  func transactions(after position: UInt64) async throws -> [Transaction]?

  /// Told now and then: everything up to here is committed for good and is never asked for again.
  func confirm(_ position: UInt64) async throws
}

extension ChangeSource {
  public func confirm(_ position: UInt64) async throws {}
}

/// What a source or sink of one's own is made from.
public struct PipelineContext: Sendable {
  /// The pipeline's name.
  public let pipeline: String
  /// The mapping `options` of its section.
  public let options: [String: String]

  package init(pipeline: String, options: [String: String]) {
    self.pipeline = pipeline
    self.options = options
  }
}
