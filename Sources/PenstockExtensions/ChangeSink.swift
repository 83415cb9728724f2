/// A sink of one's own: takes the changes of a PostgreSQL source.
///
/// It gets every transaction at least once, in commit order, and tells up to where what it got is durable. Only that is
/// confirmed to the source, which sends again whatever is not. A sink that stores its position in one step with the changes,
/// and gives it back from `open`, has each change exactly once: what it has is passed over. One that can't must be able to
/// write the same changes again.
///
/// The calls come one at a time, on a thread of the sink's own, so they may block. While one is under way the next changes
/// gather, up to `sink.buffer-size`; then the source waits. When the pipeline stops, a call under way has 8 seconds before it
/// is cancelled, then `close` is called. What a call throws is logged, and the sink is opened again within `sink.retry`; its
/// description must hold no values of rows.
public protocol ChangeSink: Sendable {
  /// Called before the first changes, at each start and after each failure; forgets what was not made durable.
  ///
  /// - Parameter tables: those whose changes will come, by the names that `route` gives them.
  /// - Returns: the position up to which the sink has all changes; 0 for none.
  func open(_ tables: [Table]) async throws -> UInt64

  /// Takes the next transactions. None are given once in every `sink.flush-interval` while something is not durable.
  ///
  /// - Returns: the position of the last transaction that is durable as a whole, with all before it.
  func write(_ transactions: [Transaction]) async throws -> UInt64

  /// Makes durable what can be; the last call before the pipeline ends or opens the sink again.
  ///
  /// - Returns: as `write` does.
  func close() async throws -> UInt64
}
