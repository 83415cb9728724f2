import ChangeModel
import ChangeTestKit
import SQLMapping
import Testing

@testable import DynamoDBSource

@Suite("Items as rows") struct ItemMappingTests {
  static let composite = [KeyAttribute(name: "pk", kind: .string), KeyAttribute(name: "sk", kind: .number)]
  static let seen = ItemInference(attributes: [
    InferredAttribute(name: "status", type: .text, reason: "a string"),
    InferredAttribute(name: "sk", type: .bigint, reason: "a number"),
    InferredAttribute(name: "address", type: .jsonb, reason: "a map"),
    InferredAttribute(name: "rare", type: nil, reason: "rare"),
  ])
  static let item = #"""
    {"rare":{"N":"1"},"sk":{"N":"7.0"},"status":{"S":"new"},"address":{"M":{"city":{"S":"Aachen"},"lines":{"L":[{"S":"a"},
    {"S":"b"}]}}},"tags":{"SS":["x"]},"gone":{"NULL":true},"pk":{"S":"k"}}
    """#

  private func shape(_ mapping: ItemMapping) -> [String] { mapping.columns.map { "\($0.name) \($0.type.formatted)" } }

  @Test("nothing is dropped when nothing is said") func standard() throws {
    let mapping = try mapping(ItemLayout(), key: Self.composite, Self.seen)

    #expect(shape(mapping) == ["pk text", "sk numeric", "status text", "address jsonb", "other_attributes jsonb"])
    #expect(
      try row(of: Self.item, mapping) == [
        "k", "7", "new", #"{"city":"Aachen","lines":["a","b"]}"#, #"{"rare":1,"tags":["x"],"gone":null}"#,
      ])
  }

  @Test("an item without other attributes has NULL for them") func noOthers() throws {
    #expect(
      try row(of: #"{"pk":{"S":"k"},"sk":{"N":"1"}}"#, try mapping(ItemLayout(), key: Self.composite)) == [
        "k", "1", nil,
      ])
  }

  @Test("columns that are asked for come before inferred ones, and a part of an attribute leaves the whole")
  func asked() throws {
    let layout = ItemLayout(columns: [
      try column("address.city", "varchar(40)"), try column("address.lines[1]", "text"),
      try column("sk", "bigint", name: "n"),
      try column("status", "text", name: "state"), try column("tags[0]", "text"),
      try column("status.x", "text", name: "none"),
      try column("address.lines[9]", "text", name: "far"),
    ])
    let mapping = try mapping(layout, key: Self.composite, Self.seen)

    #expect(
      shape(mapping) == [
        "pk text", "n bigint", "city character varying(40)", "lines_1 text", "state text", "tags_0 text", "none text",
        "far text", "address jsonb", "other_attributes jsonb",
      ])
    #expect(
      try row(of: Self.item, mapping) == [
        "k", "7", "Aachen", "b", "new", nil, nil, nil, #"{"city":"Aachen","lines":["a","b"]}"#,
        #"{"rare":1,"tags":["x"],"gone":null}"#,
      ])
  }

  @Test("an attribute of which only a part has a column is among the others too") func partial() throws {
    let layout = ItemLayout(columns: [try column("a.b", "text")], infers: false)
    let item = #"{"a":{"M":{"b":{"S":"x"},"c":{"N":"1"}}},"pk":{"S":"k"}}"#

    #expect(try row(of: item, try mapping(layout)) == ["k", "x", #"{"a":{"b":"x","c":1}}"#])
  }

  @Test("a document is the whole item, and then nothing else is inferred or kept unless asked for") func document()
    throws
  {
    let item = #"{"pk":{"S":"k"},"a":{"L":[{"NULL":true}]}}"#
    let alone = ItemLayout(infers: false, documentColumn: "doc", overflowColumn: nil)
    let all = ItemLayout(
      columns: [try column("a[0]", "text")], infers: true, documentColumn: "doc", overflowColumn: "rest")

    #expect(try row(of: item, try mapping(alone)) == ["k", #"{"pk":"k","a":[null]}"#])
    #expect(try row(of: item, try mapping(all)) == ["k", nil, #"{"pk":"k","a":[null]}"#, #"{"a":[null]}"#])
  }

  @Test("names with escapes are found, and kept as they are among the others") func escapedNames() throws {
    let layout = ItemLayout(
      columns: [try column("\"a.b\"", "text"), try column("ä", "text"), try column("m.ö", "text")], infers: false)
    let item =
      #"{"\u0061.b":{"S":"1"},"\u00e4":{"S":"2"},"q\"":{"S":"3"},"\u0070k":{"S":"k"},"m":{"M":{"\u00f6":{"S":"4"}}}}"#

    #expect(try row(of: item, try mapping(layout)) == ["k", "1", "2", "4", #"{"q\"":"3","m":{"\u00f6":"4"}}"#])
  }

  @Test("a delete carries the key's columns only") func keys() throws {
    let mapping = try mapping(ItemLayout(documentColumn: "doc"), key: Self.composite, Self.seen)
    let fields = try withBytes(of: #"{"sk":{"N":"1E1"},"pk":{"S":"k"}}"#) { bytes in
      var rows = ItemRows(mapping)
      var out = ByteBuffer()
      try rows.appendKey(of: 0..<bytes.count, in: bytes, to: &out)
      return cells(out.bytes, columns: 2)
    }

    #expect(fields == ["k", "10"])
  }

  @Test("a row that can't be made leaves nothing behind, and the next one is made") func afterFailure() throws {
    let mapping = try mapping(ItemLayout(infers: false))
    let (bad, good) = (#"{"pk":{"S":"k"},"x":{"S":"\u0000"}}"#, #"{"pk":{"S":"l"}}"#)
    try withBytes(of: bad + good) { bytes in
      var rows = ItemRows(mapping)
      var out = ByteBuffer()
      let failure = #expect(throws: ItemFailure.self) {
        try rows.appendRow(of: 0..<bad.utf8.count, in: bytes, to: &out)
      }
      #expect(failure?.attribute == "x")
      #expect(out.count == 0)
      try rows.appendRow(of: bad.utf8.count..<bytes.count, in: bytes, to: &out)
      #expect(cells(out.bytes, columns: 2) == ["l", nil])
    }
  }

  @Test(
    "what jsonb can't hold is refused under its attribute's name, wherever it goes",
    arguments: [ItemLayout(infers: false), ItemLayout(infers: false, documentColumn: "doc", overflowColumn: nil)])
  func unfitMember(layout: ItemLayout) throws {
    let item = #"{"pk":{"S":"k"},"x":{"M":{"y":{"L":[{"S":"\u0000"}]}}},"z":{"S":""}}"#

    let failure = #expect(throws: ItemFailure.self) { try row(of: item, try mapping(layout)) }
    #expect(failure?.attribute == "x")
    #expect(failure?.key == "pk=k")
  }

  @Test(
    "an item without a part of its key is refused",
    arguments: [#"{"pk":{"S":"k"}}"#, #"{"pk":{"S":"k"},"sk":{"NULL":true}}"#])
  func keyless(item: String) throws {
    let failure = #expect(throws: ItemFailure.self) { try row(of: item, try mapping(key: Self.composite)) }

    #expect(failure?.attribute == "sk")
    #expect(failure?.key == "pk=k")
    #expect(failure?.failure.message == #"attribute "sk" of an item is missing, though it is of the key"#)
    #expect(failure?.failure.location == "dynamodb.t, key pk=k")
  }

  @Test(
    "an item that is no JSON is not for parking",
    arguments: [#"{"pk":{"S":"k"},"a":{"#, #"{"pk" 1}"#, "", #"{"a":{"M":{"b":[1,]}}}"#])
  func broken(item: String) throws {
    let failure = #expect(throws: ItemFailure.self) {
      try row(of: item, try mapping(ItemLayout(columns: [try column("a", "jsonb")])))
    }

    #expect(failure?.rowClass == nil)
  }

  @Test(
    "a key column must tell all keys apart",
    arguments: [
      ("S", "jsonb"), ("S", "double precision"), ("S", "bpchar"), ("N", "real"), ("N", "timestamptz"), ("B", "text"),
    ])
  func lossyKey(kind: String, type: String) throws {
    let key = [KeyAttribute(name: "k", kind: try #require(KeyAttribute.Kind(rawValue: kind)))]

    let failure = #expect(throws: Failure.self) { try mapping(ItemLayout(columns: [try column("k", type)]), key: key) }
    #expect(failure?.kind == .configuration)
  }

  @Test("two columns of one name are refused, attributes give way") func names() throws {
    #expect(throws: Failure.self) {
      try mapping(ItemLayout(columns: [try column("a", "text", name: "doc")], documentColumn: "doc"))
    }
    let seen = [
      "other_attributes", "ctid", "", String(repeating: "ä", count: 40), String(repeating: "ä", count: 39), "pk",
    ]
    let inference = ItemInference(attributes: seen.map { InferredAttribute(name: $0, type: .text, reason: "") })
    let cut = String(repeating: "ä", count: 31)

    #expect(
      try mapping(ItemLayout(), inference).columns.map(\.name) == [
        "pk", "other_attributes_2", "ctid_", "_", cut, String(cut.dropLast()) + "_2", "other_attributes",
      ])
  }

  @Test("plan can say where each column comes from, and why") func notes() throws {
    let layout = ItemLayout(columns: [try column("at", "timestamptz", epoch: .milliseconds)])

    #expect(
      try mapping(layout, key: Self.composite, Self.seen).notes == [
        "attribute pk -> pk text: the key, of type S", "attribute sk -> sk numeric: the key, of type N",
        "attribute at -> at timestamp with time zone, epoch-ms: as asked for",
        "attribute status -> status text: a string",
        "attribute address -> address jsonb: a map",
        "other attributes -> other_attributes jsonb: what has no column of its own",
      ])
    #expect(Self.seen.notes == ["attribute rare has no column of its own: rare"])
  }

  @Test("an item of 400 KB is one row") func large() throws {
    let text = String(repeating: "0123456789abcdef", count: 12_800)
    let bytes = String(repeating: "AAAA", count: 51_200)
    let cells = try row(
      of: #"{"pk":{"S":"k"},"a":{"S":"\#(text)"},"b":{"B":"\#(bytes)"}}"#,
      try mapping(ItemLayout(columns: [try column("b", "bytea")], infers: false)))

    #expect(cells[1] == Cell("\\x" + String(repeating: "00", count: 153_600)))
    #expect(cells[2] == Cell(#"{"a":"\#(text)"}"#))
  }
}
