import ChangeModel
import SQLMapping
import Testing

@testable import DynamoDBSource

@Suite("Types from a sample of items") struct ItemSamplerTests {
  private func inference(_ items: [String]) throws -> ItemInference {
    var sampler = ItemSampler()
    try withBytes(of: #"{"Items":[\#(items.joined(separator: ","))]}"#) { bytes in
      var page = ScanPage()
      try page.read(bytes)
      try sampler.read(page, of: bytes)
    }
    return sampler.inference
  }

  @Test(
    "values decide the type",
    arguments: [
      ([#"{"S":"a"}"#, #"{"S":""}"#], .text), ([#"{"BOOL":true}"#], .boolean), ([#"{"B":"AA=="}"#], .bytea),
      ([#"{"N":"1"}"#, #"{"N":"-9223372036854775808"}"#, #"{"N":"1E2"}"#], .bigint),
      ([#"{"N":"1"}"#, #"{"N":"9223372036854775808"}"#], .numeric), ([#"{"N":"1"}"#, #"{"N":"0.5"}"#], .numeric),
      ([#"{"M":{}}"#], .jsonb), ([#"{"L":[]}"#], .jsonb), ([#"{"SS":["a"]}"#], .jsonb), ([#"{"NS":["1"]}"#], .jsonb),
      ([#"{"BS":["AA=="]}"#], .jsonb), ([#"{"S":"a"}"#, #"{"N":"1"}"#], .jsonb),
      ([#"{"M":{}}"#, #"{"L":[]}"#], .jsonb),
      ([#"{"S":"a"}"#, #"{"NULL":true}"#], .text), ([#"{"NULL":true}"#], nil),
    ] as [([String], InferredType?)])
  func types(values: [String], type: InferredType?) throws {
    #expect(try inference(values.map { #"{"a":\#($0)}"# }).attributes.map(\.type) == [type])
  }

  @Test("the most frequent come first, and the reason is told") func reasons() throws {
    let items = [#"{"b":{"N":"1"},"a":{"S":"x"}}"#, #"{"a":{"S":"y"},"c":{"NULL":true}}"#, #"{"a":{"N":"2"}}"#]

    #expect(
      try inference(items).attributes == [
        InferredAttribute(name: "a", type: .jsonb, reason: "of several types: a string in 2, a number in 1 of 3 items"),
        InferredAttribute(name: "b", type: .bigint, reason: "a whole number of 64 bits in 1 of 3 items"),
        InferredAttribute(name: "c", type: nil, reason: "null in 1 of 3 items"),
      ])
  }

  @Test(
    "what fewer than one in a hundred items have gets no column",
    arguments: [(100, InferredType.text), (101, nil)] as [(Int, InferredType?)])
  func rare(items: Int, type: InferredType?) throws {
    let all = [#"{"rare":{"S":"x"}}"#] + Array(repeating: "{}", count: items - 1)

    #expect(try inference(all).attributes.map(\.type) == [type])
  }

  @Test("the columns of a table are 200 at most, those that most items have") func many() throws {
    let names = (0..<250).map { #""a\#($0)":{"S":"x"}"# }
    let found = try inference([#"{\#(names.joined(separator: ","))}"#, #"{"a249":{"S":"y"}}"#]).attributes

    #expect(found.count == 250)
    #expect(found.filter { $0.type != nil }.count == 200)
    #expect(found.first?.name == "a249")
    #expect(found.last == InferredAttribute(name: "a248", type: nil, reason: "200 attributes are in more items"))
  }

  @Test("names beyond ten thousand are not told apart any more") func endlessNames() throws {
    let items = (0..<10_100).map { #"{"id\#($0)":{"S":"x"}}"# }

    #expect(try inference(items).attributes.count == 10_000)
  }

  @Test(
    "a sample of what is no item is refused", arguments: [#"{"a":{"S":1}}"#, #"{"a":{"Q":"1"}}"#, #"{"a":{"N":"x"}}"#])
  func refused(item: String) { #expect(throws: JSONFault.self) { try inference([item]) } }

  @Test("what was inferred can be kept as text") func text() throws {
    let inference = ItemInference(attributes: [
      InferredAttribute(name: "odd \"name\\\n😀", type: .bigint, reason: "a \"reason\""),
      InferredAttribute(name: "", type: nil, reason: ""),
    ])

    #expect(try ItemInference(text: inference.text) == inference)
    #expect(try ItemInference(text: ItemInference().text) == ItemInference())
  }

  @Test(
    "any other text is refused",
    arguments: ["", "{}", "[", "[[]]", #"[["a"]]"#, #"[["a","money",""]]"#, #"[["a",null,"",""]]"#, "[] x"])
  func otherText(text: String) { #expect(throws: JSONFault.self) { try ItemInference(text: text) } }
}
