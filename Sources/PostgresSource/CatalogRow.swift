import ChangeModel
import Postgres

/// Reads the fields of one row of a catalog query from left to right.
struct CatalogRow {
  private let fields: [String?]
  private var at = 0

  init(_ fields: [String?]) { self.fields = fields }

  mutating func optional() -> String? {
    defer { at += 1 }
    return at < fields.count ? fields[at] : nil
  }

  /// A name or another text that is never NULL in the catalog; empty should it be.
  mutating func text() -> String { optional() ?? "" }

  mutating func flag() -> Bool { optional() == "t" }

  /// A number that the server prints in decimal.
  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(Failure) -> Number {
    let text = text()
    guard let number = Number(text) else {
      throw Failure(
        .source, "the server's catalog gave \"\(text)\" where a number was expected",
        hint: "Penstock knows servers from 12 to 18; report this with the server's version.")
    }
    return number
  }

  mutating func real() -> Double { Double(text()) ?? -1 }
}

/// `{1,2,3}`, to be read as `oid[]`.
func arrayLiteral(_ oids: some Sequence<UInt32>) -> String {
  "{" + oids.map(String.init).joined(separator: ",") + "}"
}

extension Connection {
  /// Whether the server is of that major version or a newer one.
  func isAtLeast(_ major: Int) -> Bool { serverVersion >= major * 10_000 }
}
