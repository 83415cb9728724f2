/// Signature Version 4 of a presigned URL or of a request's headers (AWS General Reference, "Create a signed AWS API
/// request").
/// Pure: time and credentials come in, a signature comes out.
package struct SigV4: Sendable {
  /// Where and when a signature is good: `20260915/eu-central-1/dsql/aws4_request`.
  package struct Scope: Hashable, Sendable {
    package let date: UnixTime
    package let region: String
    package let service: String

    package init(date: UnixTime, region: String, service: String) {
      self.date = date
      self.region = region
      self.service = service
    }

    /// The scope as it stands in `X-Amz-Credential`, after the access key.
    package var text: String { "\(date.basicDate)/\(region)/\(service)/aws4_request" }
  }

  /// The hexadecimal signature of `GET /` on `host` with an empty body and `host` as the only signed header.
  /// - Parameter query: every parameter but `X-Amz-Signature`, not yet percent-encoded, in any order.
  package static func presignature(
    host: String, query: [(name: String, value: String)], scope: Scope, secretAccessKey: String
  ) -> String {
    let request = "GET\n/\n\(canonicalQuery(query))\nhost:\(host)\n\nhost\n\(Digest.hexadecimal(Digest.sha256([])))"
    return signature(canonicalRequest: request, scope: scope, secretAccessKey: secretAccessKey)
  }

  /// The headers that sign `POST /` with this body, the ones given included; `host` is signed and left to the client.
  static func signedHeaders(
    _ headers: [(name: String, value: String)], host: String, body: [UInt8], scope: Scope, credentials: AWSCredentials
  ) -> [(name: String, value: String)] {
    var sent = headers + [(name: "X-Amz-Date", value: scope.date.basicFormat)]
    if let token = credentials.sessionToken { sent.append((name: "X-Amz-Security-Token", value: token)) }
    let signed = (sent + [(name: "Host", value: host)]).map { ($0.name.lowercased(), $0.value) }.sorted { $0.0 < $1.0 }
    let names = signed.map(\.0).joined(separator: ";")
    let request =
      "POST\n/\n\n" + signed.map { "\($0):\($1)\n" }.joined() + "\n\(names)\n"
      + Digest.hexadecimal(Digest.sha256(body))
    let signature = signature(canonicalRequest: request, scope: scope, secretAccessKey: credentials.secretAccessKey)
    let authorization =
      "AWS4-HMAC-SHA256 Credential=\(credentials.accessKeyID)/\(scope.text), SignedHeaders=\(names), "
      + "Signature=\(signature)"
    return sent + [(name: "Authorization", value: authorization)]
  }

  /// Names and values encoded, sorted by name, then value.
  package static func canonicalQuery(_ query: [(name: String, value: String)]) -> String {
    query.map { (percentEncoded($0.name), percentEncoded($0.value)) }
      .sorted { ($0.0, $0.1) < ($1.0, $1.1) }
      .map { "\($0.0)=\($0.1)" }
      .joined(separator: "&")
  }

  static func signature(canonicalRequest: String, scope: Scope, secretAccessKey: String) -> String {
    let toSign =
      "AWS4-HMAC-SHA256\n\(scope.date.basicFormat)\n\(scope.text)\n"
      + Digest.hexadecimal(Digest.sha256(Array(canonicalRequest.utf8)))
    let key = signingKey(scope: scope, secretAccessKey: secretAccessKey)
    return Digest.hexadecimal(Digest.hmac(key: key, Array(toSign.utf8)))
  }

  static func signingKey(scope: Scope, secretAccessKey: String) -> [UInt8] {
    var key = Array("AWS4\(secretAccessKey)".utf8)
    for step in [scope.date.basicDate, scope.region, scope.service, "aws4_request"] {
      key = Digest.hmac(key: key, Array(step.utf8))
    }
    return key
  }

  /// RFC 3986: everything but `A-Za-z0-9-._~` becomes `%XX`.
  package static func percentEncoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        encoded.append(byte)
      default:
        encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}
