/// A password or other value that must never be shown: every way of printing it, `dump` included, gives `***`.
package struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// The value itself, for the one call that needs it.
  package let revealed: String

  package init(_ value: String) { revealed = value }

  package var description: String { "***" }
  package var debugDescription: String { "***" }
  package var customMirror: Mirror { Mirror(self, children: [:]) }
}
