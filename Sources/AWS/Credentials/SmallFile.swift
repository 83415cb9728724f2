internal import ChangeModel
internal import Glibc

/// Files of settings and tokens: read whole, up to 1 MiB.
enum SmallFile {
  static let bytesMax = 1 << 20

  /// `nil` when there is no such file.
  static func read(_ path: String) throws(Failure) -> [UInt8]? {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw failure("can't be opened: \(reason(errno))", path)
    }
    defer { close(descriptor) }
    guard let bytes = read(descriptor) else { throw failure("can't be read, or is larger than 1 MiB", path) }
    return bytes
  }

  /// What is left of a file or pipe; `nil` when it is too much or fails.
  static func read(_ descriptor: Int32) -> [UInt8]? {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 8192)
    while true {
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count == 0 { return bytes }
      guard count > 0, bytes.count + count <= bytesMax else { return nil }
      bytes += buffer[..<count]
    }
  }

  /// Puts new content in the file's place at once, for its owner only.
  /// - Throws: a failure with the system's reason; the old content is then still there.
  static func replace(_ path: String, with bytes: [UInt8]) throws(Failure) {
    let draft = "\(path).\(getpid()).new"
    let descriptor = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw failure("can't be written: \(reason(errno))", path) }
    let written = unsafe bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
    guard written == bytes.count, unsafe rename(draft, path) == 0 else {
      let code = errno
      unsafe unlink(draft)
      throw failure("can't be written: \(reason(code))", path)
    }
  }

  private static func failure(_ what: String, _ path: String) -> Failure {
    Failure(.configuration, "\(path) \(what)", hint: "Let this user read it, or name another file.")
  }

  static func reason(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    return unsafe buffer.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, unsafe strerror_r(code, start, buffer.count) == 0 else {
        return "error \(code)"
      }
      // SAFETY: on success the buffer holds a NUL-terminated text.
      return unsafe String(cString: start)
    }
  }
}
