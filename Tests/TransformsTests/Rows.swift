import Apply
import ChangeModel
import SQLMapping
import Transforms

/// A value as a server prints it; `nil` is NULL.
typealias Value = String?

/// A row's columns, each with its type's name in `pg_type` and its value.
let person: KeyValuePairs<String, (type: String, value: Value)> = [
  "id": ("int8", "42"), "email": ("text", "Ann@Example.org"), "balance": ("numeric", "12345678901234567890.123400"),
  "points": ("numeric", "7"), "ratio": ("float8", "0.5"), "active": ("bool", "t"), "photo": ("bytea", "\\x00ff10"),
  "settings": ("jsonb", #"{"theme": "dark", "sizes": [1, 2, 3]}"#),
  "created_at": ("timestamptz", "2024-02-29 10:11:12.5+00"), "deleted_at": ("timestamptz", nil),
  "note": ("text", "it's, \"so\""),
]

/// What becomes of a row: its values, or `nil` when the filter leaves it out.
func transformed(
  _ projection: String = "*", filter: String? = nil, types: [String: String] = [:],
  of row: KeyValuePairs<String, (type: String, value: Value)> = person
) throws -> [String: Value]? {
  let description = TransformDescription(
    inputs: row.map { TransformInput(name: $0.key, typeName: $0.value.type) }, projection: projection, filter: filter,
    types: types, place: "pipeline.yaml:9")
  let transform = try RowTransform(CheckedTransform(description))
  return try apply(transform, to: row.map(\.value.value))
}

/// Runs a transform on one row.
func apply(_ transform: RowTransform, to values: [Value]) throws -> [String: Value]? {
  var out = ByteBuffer()
  let row = wireRow(values)
  let isKept = try unsafe row.withUnsafeBytes { unsafe try transform.append($0, to: &out) }
  guard isKept else { return nil }
  let bytes = unsafe [UInt8](out.bytes)
  let names = transform.checked.outputs.map(\.name)
  var values: [String: Value] = [:]
  var offset = 0
  for name in names {
    let length = Int(Int32(bitPattern: bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }))
    offset += 4
    values[name] = .some(length < 0 ? nil : String(decoding: bytes[offset..<(offset + length)], as: UTF8.self))
    offset += max(0, length)
  }
  return offset == bytes.count ? values : [:]
}

func wireRow(_ values: [Value]) -> [UInt8] {
  values.flatMap { value in
    let length = UInt32(bitPattern: value.map { Int32($0.utf8.count) } ?? -1)
    return [UInt8](unsafe withUnsafeBytes(of: length.bigEndian) { unsafe Array($0) }) + Array((value ?? "").utf8)
  }
}

/// The failure that the check of a transform ends with.
func refusal(_ projection: String = "*", filter: String? = nil, types: [String: String] = [:]) -> Failure? {
  do {
    _ = try transformed(projection, filter: filter, types: types)
    return nil
  } catch {
    return error as? Failure
  }
}
