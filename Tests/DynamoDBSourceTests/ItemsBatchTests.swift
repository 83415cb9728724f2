import Testing

@testable import DynamoDBSource

@Suite("Answers of BatchGetItem") struct ItemsBatchTests {
  @Test("an answer gives its items, and the keys that were not looked for as they were sent") func answer() throws {
    let text = #"""
      {"ConsumedCapacity":[{"TableName":"t"}],"Responses":{"t":[{"id":{"S":"a"}},{"id":{"S":"b"}}]},
       "UnprocessedKeys":{"t":{"ConsistentRead":true,"Keys":[{"id":{"S":"c"}}]}}}
      """#
    var page = BatchPage()
    var parts: (items: [String], keys: [String]) = ([], [])
    try withBytes(of: text) { bytes in
      try page.read(bytes)
      parts.items = page.items.map { String(decoding: bytes[$0], as: UTF8.self) }
      parts.keys = page.unprocessedKeys.map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    #expect(parts.items == [#"{"id":{"S":"a"}}"#, #"{"id":{"S":"b"}}"#])
    #expect(parts.keys == [#"{"id":{"S":"c"}}"#])
  }

  @Test(
    "what is no such answer is refused",
    arguments: ["{}", "[]", #"{"Responses":{"t":[1]}}"#, #"{"Responses":{"t":{}}}"#, #"{"Responses":{}} x"#])
  func malformed(text: String) {
    var page = BatchPage()
    #expect(throws: JSONFault.self) { try withBytes(of: text) { try page.read($0) } }
  }

  @Test("one value serves answer after answer") func reuse() throws {
    var page = BatchPage()
    try withBytes(of: #"{"Responses":{"t":[{"id":{"S":"a"}}]},"UnprocessedKeys":{"t":{"Keys":[{"id":{"S":"c"}}]}}}"#) {
      try page.read($0)
    }
    try withBytes(of: #"{"Responses":{"t":[]},"UnprocessedKeys":{}}"#) { try page.read($0) }

    #expect(page.items.isEmpty && page.unprocessedKeys.isEmpty)
  }
}
