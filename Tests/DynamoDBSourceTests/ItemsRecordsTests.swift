import ChangeModel
import Testing

@testable import DynamoDBSource

@Suite("Answers to GetRecords") struct RecordsPageTests {
  private func read(_ text: String) throws -> RecordsPage {
    try withBytes(of: text) { bytes in
      var page = RecordsPage()
      try page.read(bytes)
      return page
    }
  }

  private func record(
    _ change: String, name: String = "INSERT", more: String = ""
  ) -> String {
    #"{"Records":[{"eventID":"1","eventName":"\#(name)","dynamodb":{"Keys":{"pk":{"S":"a"}},\#(change)}\#(more)}]}"#
  }

  @Test("a record has its kind, its images and its place") func whole() throws {
    let text = #"""
      {"NextShardIterator":"AAA\/=","Records":[
       {"awsRegion":"eu-west-1","userIdentity":null,"dynamodb":{"SequenceNumber":"000000000000000000042",
        "NewImage":{"pk":{"S":"a"},"n":{"N":"2"}},"SizeBytes":26,"StreamViewType":"NEW_AND_OLD_IMAGES","Odd":{"x":[]},
        "OldImage":{"pk":{"S":"a"}},"Keys":{"pk":{"S":"a"}},"ApproximateCreationDateTime":1.7E9},"eventName":"MODIFY"},
       {"eventName":"REMOVE","dynamodb":{"Keys":{"pk":{"S":"b"}},"SequenceNumber":"43"}}]}
      """#
    let page = try read(text)
    func part(_ range: Range<Int>?) -> String? { range.map { String(decoding: Array(text.utf8)[$0], as: UTF8.self) } }

    #expect(page.nextIterator == "AAA/=")
    #expect(page.records.map(\.kind) == [.modify, .remove])
    let first = try #require(page.records.first)
    #expect(part(first.keys) == #"{"pk":{"S":"a"}}"#)
    #expect(part(first.newImage) == #"{"pk":{"S":"a"},"n":{"N":"2"}}"#)
    #expect(part(first.oldImage) == #"{"pk":{"S":"a"}}"#)
    #expect(first.creationTime == 1_700_000_000_000)
    #expect("\(first.sequenceNumber)" == "000000000000000000042")
    #expect(page.records[1].newImage == nil && page.records[1].oldImage == nil)
    #expect(page.records[1].creationTime == 0)
  }

  @Test(
    "a closed shard that is read has no next iterator",
    arguments: [#"{"Records":[]}"#, #"{"Records":[],"NextShardIterator":null}"#])
  func ended(text: String) throws {
    #expect(try read(text).nextIterator == nil)
  }

  @Test(
    "times may have a fraction or an exponent",
    arguments: [
      ("1700000000", 1_700_000_000_000), ("1.7E9", 1_700_000_000_000), ("1700000000.1239", 1_700_000_000_123),
      ("1.700000000123e+9", 1_700_000_000_123), ("0", 0), ("1e99", Int64.max),
    ] as [(String, Int64)])
  func times(text: String, milliseconds: Int64) throws {
    let page = try read(record(#""SequenceNumber":"1","ApproximateCreationDateTime":\#(text)"#))

    #expect(page.records[0].creationTime == milliseconds)
  }

  @Test(
    "what the time to live removed is told from what a client removed",
    arguments: [
      ("REMOVE", #"{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#, true),
      ("REMOVE", #"{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}"#, true),
      ("MODIFY", #"{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#, false),
      ("REMOVE", #"{"type":"Service","principalId":"replication.amazonaws.com"}"#, false),
      ("REMOVE", #"{"type":"User","principalId":"dynamodb.amazonaws.com"}"#, false),
      ("REMOVE", #"{"type":null,"other":{}}"#, false), ("REMOVE", "null", false), ("REMOVE", "{}", false),
    ])
  func expiry(name: String, identity: String, isExpiry: Bool) throws {
    let page = try read(record(#""SequenceNumber":"1""#, name: name, more: #","userIdentity":\#(identity)"#))

    #expect(page.records[0].isExpiry == isExpiry)
  }

  @Test(
    "a record without what it needs is refused",
    arguments: [
      (#"{"Records":[{"eventName":"INSERT"}]}"#, "has no Keys"),
      (#"{"Records":[{"dynamodb":{"Keys":{"a":{"S":"b"}},"SequenceNumber":"1"}}]}"#, "has no eventName"),
      (#"{"Records":[{"eventName":"INSERT","dynamodb":{"Keys":{"a":{"S":"b"}}}}]}"#, "has no SequenceNumber"),
      (#"{"Records":[{"eventName":"INSERT","dynamodb":{"Keys":{},"SequenceNumber":"1"}}]}"#, "has no Keys"),
      (#"{"Records":[{"eventName":"UPSERT"}]}"#, "has an eventName that is not known"),
      (#"{"Records":[{"dynamodb":{"SequenceNumber":"1x"}}]}"#, "has a SequenceNumber that is not 1 to 40 digits"),
      (#"{"Records":[{"dynamodb":{"SequenceNumber":12}}]}"#, "is no JSON: expected a string"),
      (#"{"Records":[{"dynamodb":{"NewImage":[]}}]}"#, "is no JSON of this kind: expected an object"),
      (
        #"{"Records":[{"dynamodb":{"ApproximateCreationDateTime":"1"}}]}"#, "is no JSON of this kind: expected a number"
      ),
      (#"{"Records":[null]}"#, "is no JSON: expected an object"), (#"{"NextShardIterator":"a"}"#, "has no Records"),
      (#"{"Records":[],"NextShardIterator":7}"#, "is no JSON: expected a string"),
    ])
  func incomplete(text: String, reason: String) {
    let fault = #expect(throws: JSONFault.self) { try read(text) }

    #expect(fault?.reason == reason)
  }
}

@Suite("Sequence numbers") struct SequenceNumberTests {
  @Test(
    "they are ordered as numbers, not as texts",
    arguments: [
      ("9", "10"), ("0000000000000000000099", "100"),
      ("99999999999999999999999999999999999999", "100000000000000000000000000000000000000"),
      ("1000000000000000000000000000000000000000", "9999999999999999999999999999999999999999"),
      ("28825200000000031225331853", "28825300000000031225331853"),
    ])
  func order(less: String, more: String) throws {
    let (a, b) = (try #require(SequenceNumber(less)), try #require(SequenceNumber(more)))

    #expect(a < b && !(b < a) && a != b)
  }

  @Test("zeros in front are kept and do not count") func zeros() throws {
    let (a, b) = (try #require(SequenceNumber("0042")), try #require(SequenceNumber("42")))

    #expect(a == b && !(a < b) && a.hashValue == b.hashValue)
    #expect(["\(a)", "\(b)"] == ["0042", "42"])
  }

  @Test(
    "texts come back as they were",
    arguments: [
      "0", "9999999999999999999999999999999999999999", "1000000000000000000000000000000000000007",
      "0000000000000000000000000000000000000001", "12345678901234567890123456789012345678",
    ])
  func text(text: String) throws {
    #expect(try #require(SequenceNumber(text)).description == text)
  }

  @Test(
    "one that fits 128 bits is one number",
    arguments: [
      ("340282366920938463463374607431768211455", UInt128.max), ("340282366920938463463374607431768211456", nil),
      ("9999999999999999999999999999999999999999", nil),
      ("28825200000000031225331853", 28_825_200_000_000_031_225_331_853),
    ] as [(String, UInt128?)])
  func rawValue(text: String, value: UInt128?) throws {
    #expect(try #require(SequenceNumber(text)).rawValue == value)
  }

  @Test("anything else is none", arguments: ["", "-1", "1e5", " 1", "10000000000000000000000000000000000000000"])
  func refused(text: String) { #expect(SequenceNumber(text) == nil) }
}
