import ChangeModel
import PenstockTestKit
import Testing

@testable import DynamoDBSource

/// Runs a body over a text's bytes.
func withBytes<Value>(of text: String, _ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
  try Array(text.utf8).withUnsafeBytes(body)
}

@Suite("Answers to Scan") struct ScanPageTests {
  private func read(_ text: String) throws -> (page: ScanPage, texts: [String], lastKey: String?) {
    try withBytes(of: text) { bytes in
      var page = ScanPage()
      try page.read(bytes)
      func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
      return (page, page.items.map(text), page.lastKey.map(text))
    }
  }

  @Test("members come in any order, and unknown ones are skipped") func order() throws {
    let (page, items, lastKey) = try read(
      #"""
      { "Strange": [1, {"a": [true, false, null, -1.5e+3]}], "LastEvaluatedKey" : {"pk": {"S": "a\"}"}},
        "ConsumedCapacity": {"TableName": "t", "CapacityUnits": 128.5, "Table": {}}, "ScannedCount": 7, "Count": 2,
        "Items": [ {"pk":{"S":"{\\"}} , {"pk":{"M":{}}} ] }
      """#)

    #expect(items == [#"{"pk":{"S":"{\\"}}"#, #"{"pk":{"M":{}}}"#])
    #expect(lastKey == #"{"pk": {"S": "a\"}"}}"#)
    #expect(page.scannedCount == 7)
    #expect(page.capacityUnits == 128.5)
  }

  @Test(
    "the last page has no key to go on from",
    arguments: [
      #"{"Items":[]}"#, #"{"Items":[],"LastEvaluatedKey":null}"#, #"{"Items":[],"LastEvaluatedKey":{}}"#,
    ])
  func lastPage(text: String) throws {
    #expect(try read(text).lastKey == nil)
  }

  @Test("a page forgets the one before") func reuse() throws {
    var page = ScanPage()
    try withBytes(of: #"{"Items":[{}],"LastEvaluatedKey":{"a":1},"ScannedCount":1}"#) { try page.read($0) }
    try withBytes(of: #"{"Items":[]}"#) { try page.read($0) }

    #expect(page.items.isEmpty && page.lastKey == nil && page.scannedCount == 0)
  }

  @Test(
    "what is no answer is refused with its place",
    arguments: [
      ("{", 1), ("[]", 0), ("{}", 2), (#"{"Items":{}}"#, 9), (#"{"Items":[1]}"#, 10), (#"{"Items":[{}"#, 12),
      (#"{"Items":[{},]}"#, 13), (#"{"Items":[{"a":}]}"#, 15), (#"{"Items":[{"a" 1}]}"#, 15), (#"{"Items":[]} x"#, 13),
      (#"{"Items":[{"a":01}]}"#, 17), (#"{"Items":[{"a":1.}]}"#, 17), (#"{"Items":[{"a":"\x"}]}"#, 17),
      (#"{"Items":[{"a":"\u12g4"}]}"#, 20), ("{\"Items\":[{\"a\":\"\n\"}]}", 16), (#"{"Items":[{"a":tru}]}"#, 18),
      (#"{"Items":[],"LastEvaluatedKey":"a"}"#, 31), (#"{"Items":[],"ScannedCount":"1"}"#, 27),
      (#"{"Items":[],"ConsumedCapacity":{"CapacityUnits":true}}"#, 48), (#"{"Items":["abc"#, 10),
    ])
  func malformed(text: String, offset: Int) {
    let fault = #expect(throws: JSONFault.self) { try read(text) }

    #expect(fault?.offset == offset)
    #expect(fault?.isMalformed == true)
  }

  @Test("absurd nesting is refused", arguments: ["[", "{\"a\":", "{\"ab\":"])
  func nesting(opening: String) {
    let text = #"{"Items":[],"x":"# + String(repeating: opening, count: 100_000)

    let fault = #expect(throws: JSONFault.self) { try read(text) }
    #expect(fault?.reason == "is nested too deeply")
  }
}
