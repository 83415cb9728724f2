import Foundation
import PenstockTestKit

/// Values for columns of any type, as SQL expressions that a seed repeats.
struct ZooValues: Sendable {
  var random: SeededGenerator

  /// A number in a range.
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  /// Whether something happens that does so in so many percent of all cases.
  mutating func chance(_ percent: Int) -> Bool { number(0...99) < percent }

  mutating func pick<T>(_ list: [T]) -> T { list[number(0...list.count - 1)] }

  /// A value for a column, `nil` if one can only be taken from another row: of composites, and types not known here.
  mutating func value(for column: ZooTable.Column) -> String? {
    if column.isEnum { return label(of: column.base) }
    if column.base.hasSuffix("[]") {
      guard column.isBuiltIn else { return nil }
      return array(of: String(column.base.dropLast(2)))
    }
    return scalar(column.base, isUnique: column.isUnique, isIndexed: column.isIndexed)
  }

  private mutating func label(of type: String) -> String {
    "(SELECT v FROM unnest(enum_range(NULL::\(type))) v ORDER BY random() LIMIT 1)"
  }

  private mutating func array(of element: String) -> String? {
    let width = number(0...4)
    if width == 0 { return "'{}'::\(element)[]" }
    var rows: [String] = []
    for _ in 0..<(chance(25) ? 2 : 1) {
      var cells: [String] = []
      for _ in 0..<width {
        guard let cell = scalar(element, isUnique: false, isIndexed: true) else { return nil }
        cells.append(chance(20) ? "NULL" : cell)
      }
      rows.append("ARRAY[\(cells.joined(separator: ", "))]::\(element)[]")
    }
    return rows.count == 1 ? rows[0] : "ARRAY[\(rows.joined(separator: ", "))]"
  }

  private mutating func scalar(_ type: String, isUnique: Bool, isIndexed: Bool) -> String? {
    let name = type.replacing(/\(.*?\)/, with: "")
    let sizes = (type.firstMatch(of: /\((.*?)\)/)?.1 ?? "").split(separator: ",").compactMap { Int($0) }
    switch name {
    case "smallint": return "\(number(isUnique ? 1000...32767 : -32768...32767))"
    case "integer": return isUnique || chance(50) ? "\(number(1_000_000...2_000_000_000))" : "\(number(-5...100))"
    case "bigint": return pick(["\(number(1_000_000...Int.max))", "\(number(1_000_000...9_000_000))"])
    case "oid", "xid": return "'\(number(0...4_294_967_295))'"
    case "numeric": return numeric(sizes)
    case "money": return "'\(number(-9_000_000...9_000_000)).\(number(10...99))'::money"
    case "real": return pick(["'NaN'", "'-Infinity'", "'-0'", "'1e-45'", "\(number(-1000...1000)) / 7.0"]) + "::real"
    case "double precision": return float()
    case "boolean": return pick(["true", "false"])
    case "text", "character varying", "character", "citext", "name", "bpchar":
      let most = sizes.first ?? (name == "name" ? 15 : 40)
      if name == "text", !isIndexed, chance(12) { return long }
      return quoted(text(upTo: min(most, 40), isUnique: isUnique))
    case "bytea": return isIndexed || chance(85) ? "'\\x\(hex(number(0...20)))'::bytea" : "decode(\(long), 'hex')"
    case "uuid": return "'\(hex(16))'"
    case "json", "jsonb": return json(isIndexed: isIndexed) + "::" + name
    case "xml": return "'<a b=\"\(number(0...99))\">&amp;</a>'::xml"
    case "\"char\"": return "'\(pick(["a", "Z", "9"]))'"
    case "inet", "cidr", "macaddr", "macaddr8", "pg_lsn", "bit", "bit varying": return bits(name, sizes)
    case "hstore": return "hstore(\(quoted(text(upTo: 9, isUnique: false))), \(pick(["NULL", "'v'", "'\"'"])))"
    case "ltree": return "'top.n\(number(0...999)).x'::ltree"
    case "tsvector": return "to_tsvector('simple', \(quoted(text(upTo: 20, isUnique: false))))"
    case "tsquery": return "'a\(number(0...99)) & (b | !c:*)'::tsquery"
    default: return moment(name) ?? span(name) ?? shape(name)
    }
  }

  /// Random text, a few kilobytes long, that does not compress.
  private var long: String {
    mutating get {
      let parts = chance(5) ? number(2000...8000) : number(70...400)
      return "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, \(parts)))"
    }
  }

  /// So many random bytes.
  mutating func hex(_ bytes: Int) -> String {
    (0..<bytes).map { _ in
      let byte = String(number(0...255), radix: 16)
      return byte.count == 1 ? "0" + byte : byte
    }.joined()
  }

  private static let alphabet = Array("aB z09'\"\\{}(),;:%$\n\té€ß日😀\u{301}")

  private mutating func text(upTo length: Int, isUnique: Bool) -> String {
    if isUnique { return String(hex(12).prefix(length)) }
    // A flag may be joined to what follows it, so count scalars, as the server does.
    let scalars = (0..<number(0...length)).flatMap { _ in pick(Self.alphabet).unicodeScalars }.prefix(length)
    return String(String.UnicodeScalarView(scalars))
  }

  private func quoted(_ text: String) -> String { "'" + text.replacingOccurrences(of: "'", with: "''") + "'" }

  private mutating func numeric(_ sizes: [Int]) -> String {
    guard let precision = sizes.first else {
      return pick(["'NaN'", "'Infinity'", "'1e\(number(-200...200))'", "\(number(-999...999)).500"]) + "::numeric"
    }
    if chance(4) { return "'NaN'" }
    let scale = sizes.count > 1 ? sizes[1] : 0
    let whole = (0..<max(0, precision - scale)).prefix(18).map { _ in String(number(0...9)) }.joined()
    return pick(["", "", "-"]) + "0" + whole + "." + (0..<scale).map { _ in String(number(0...9)) }.joined() + "0"
  }

  private mutating func float() -> String {
    let special = ["'NaN'::float8", "'-Infinity'::float8", "'-0'::float8", "5e-324::float8"]
    return chance(15) ? pick(special) : "\(number(-1_000_000...1_000_000)) / \(number(1...999)).0::float8"
  }

  private mutating func json(isIndexed: Bool) -> String {
    if !isIndexed, chance(10) { return "json_build_object('big', \(long))" }
    return pick(["'{\"b\" : \(number(0...99)), \"a\":[null, 1.50], \"b\": \"\\u00e9\"}'", "'[]'", "'null'", "'\"x\"'"])
  }

  private mutating func bits(_ name: String, _ sizes: [Int]) -> String {
    switch name {
    case "inet": "'10.\(number(0...255)).\(number(0...255)).\(number(0...255))\(pick(["", "/8", "/32"]))'::inet"
    case "cidr": "'\(number(1...200)).0.0.0/8'::cidr"
    case "macaddr": "'08:00:2b:\(hex(1)):\(hex(1)):\(hex(1))'::macaddr"
    case "macaddr8": "'08:00:2b:01:02:\(hex(1)):\(hex(1)):\(hex(1))'::macaddr8"
    case "pg_lsn": "'\(hex(2))/\(hex(4))'::pg_lsn"
    case "bit": "B'" + (0..<(sizes.first ?? 1)).map { _ in pick(["0", "1"]) }.joined() + "'"
    default: "B'" + (0..<number(0...(sizes.first ?? 40))).map { _ in pick(["0", "1"]) }.joined() + "'"
    }
  }

  private mutating func moment(_ name: String) -> String? {
    let day = "\(number(1900...2100))-0\(number(1...9))-\(number(10...28))"
    let time = "\(number(10...23)):\(number(10...59)):\(number(10...59)).\(number(100_000...999_999))"
    let zone = pick(["+00", "-08", "+05:30"])
    switch name {
    case "date": return "'\(chance(4) ? "infinity" : day)'::date"
    case "time without time zone": return "'\(time)'::time"
    case "time with time zone": return "'\(time)\(zone)'::timetz"
    case "timestamp without time zone": return "'\(chance(3) ? "-infinity" : day + " " + time)'::timestamp"
    case "timestamp with time zone": return "'\(chance(3) ? "infinity" : day + " " + time + zone)'::timestamptz"
    case "interval":
      return
        "'\(number(-99...99)) months \(number(-99...99)) days \(number(-9_999_999...9_999_999)) microseconds'::interval"
    default: return nil
    }
  }

  private mutating func span(_ name: String) -> String? {
    let (low, high) = (number(-1000...0), number(1...1000))
    switch name {
    case "int4range", "int8range", "numrange":
      return "\(name)(\(pick(["NULL", "\(low)"])), \(pick(["NULL", "\(high)"])), '\(pick(["[)", "(]"]))')"
    case "int4multirange", "int8multirange": return "'{[\(low),0),[\(high),)}'::\(name)"
    case "daterange": return "daterange('2024-01-01', date '2024-01-01' + \(high))"
    case "tsrange", "tstzrange": return "'[2024-01-01,\(number(2025...2100))-01-01)'::\(name)"
    default: return nil
    }
  }

  private mutating func shape(_ name: String) -> String? {
    let (a, b) = (number(-99...99), number(-99...99))
    switch name {
    case "point": return "'(\(a).5,-0)'::point"
    case "box", "lseg": return "'(\(a),\(b)),(0.1,-0)'::\(name)"
    case "polygon", "path": return "'((0,0),(\(a),\(b)),(1,1e-9))'::\(name)"
    case "circle": return "'<(\(a),\(b)),1.5>'::circle"
    default: return nil
    }
  }
}
