import COpenSSL
import Glibc

/// A certificate authority for this machine and a server certificate that it signs, kept as PEM files in a folder.
enum CertificateAuthority {
  /// Paths in the folder.
  struct Files {
    let authority: String
    let certificate: String
    let key: String

    init(folder: String) {
      authority = folder + "/ca.crt"
      certificate = folder + "/server.crt"
      key = folder + "/server.key"
    }
  }

  /// AWS regions whose DSQL endpoint names the certificate covers.
  static let regions = [
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2",
    "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ca-central-1",
    "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2",
    "eu-west-3", "il-central-1", "me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2",
    "us-west-1", "us-west-2",
  ]

  /// Uses the files that are there, or makes them. The authority's own key is not kept.
  ///
  /// Emulators that start together in one folder make them once: the others wait.
  static func prepare(folder: String) throws(SetupProblem) -> Files {
    let files = Files(folder: folder)
    if unsafe mkdir(folder, 0o755) != 0, errno != EEXIST {
      throw SetupProblem("folder \(folder) cannot be made: \(reason())")
    }
    let lock = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard lock >= 0 else { throw SetupProblem("folder \(folder) cannot be opened: \(reason())") }
    defer { close(lock) }
    guard flock(lock, LOCK_EX) == 0 else { throw SetupProblem("folder \(folder) cannot be locked: \(reason())") }
    if [files.authority, files.certificate, files.key].allSatisfy({ (path: String) in unsafe access(path, R_OK) == 0 })
    {
      return files
    }
    let authorityKey = try Key()
    let serverKey = try Key()
    let authority = try Certificate(commonName: "dsql-emulator authority", serial: 1, key: authorityKey)
    try authority.add(NID_basic_constraints, "critical,CA:TRUE")
    try authority.add(NID_key_usage, "critical,keyCertSign,cRLSign")
    try authority.sign(issuer: authority, key: authorityKey)
    let server = try Certificate(commonName: "localhost", serial: 2, key: serverKey)
    let names = ["localhost", "*.dsql.localhost"] + regions.map { "*.dsql.\($0).on.aws" }
    try server.add(
      NID_subject_alt_name, (names.map { "DNS:\($0)" } + ["IP:127.0.0.1", "IP:::1"]).joined(separator: ","))
    try server.add(NID_ext_key_usage, "serverAuth")
    try server.sign(issuer: authority, key: authorityKey)
    try authority.write(to: files.authority)
    try server.write(to: files.certificate)
    try serverKey.write(to: files.key)
    return files
  }

  fileprivate static func reason() -> String { unsafe String(cString: strerror(errno)) }

  /// Opens a file for writing, for its owner only when `isSecret`.
  fileprivate static func write(to path: String, isSecret: Bool, _ body: (OpaquePointer) -> Int32) throws(SetupProblem)
  {
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC, isSecret ? 0o600 : 0o644)
    guard descriptor >= 0 else { throw SetupProblem("\(path) cannot be written: \(reason())") }
    guard let output = unsafe BIO_new_fd(descriptor, 1) else { throw SetupProblem("out of memory") }
    defer { _ = unsafe BIO_free(output) }
    guard unsafe body(output) == 1 else { throw SetupProblem("\(path) cannot be written") }
  }

  /// Owns a P-256 key.
  @safe
  private final class Key {
    let raw: OpaquePointer

    init() throws(SetupProblem) {
      var key: OpaquePointer?
      let maker = unsafe EVP_PKEY_CTX_new_from_name(nil, "EC", nil)
      defer { unsafe EVP_PKEY_CTX_free(maker) }
      guard unsafe EVP_PKEY_keygen_init(maker) == 1, unsafe EVP_PKEY_CTX_set_group_name(maker, "P-256") == 1,
        unsafe EVP_PKEY_generate(maker, &key) == 1, let key = unsafe key
      else { throw SetupProblem("a key cannot be made: \(TLSContext.lastError())") }
      unsafe raw = key
    }
    deinit { unsafe EVP_PKEY_free(raw) }

    func write(to path: String) throws(SetupProblem) {
      try unsafe CertificateAuthority.write(to: path, isSecret: true) { output in
        unsafe PEM_write_bio_PrivateKey(output, raw, nil, nil, 0, nil, nil)
      }
    }
  }

  /// Owns a certificate while it is made.
  @safe
  private final class Certificate {
    let raw: OpaquePointer

    /// Valid from an hour ago for ten years.
    init(commonName: String, serial: Int, key: Key) throws(SetupProblem) {
      guard let certificate = unsafe X509_new() else { throw SetupProblem("out of memory") }
      unsafe raw = certificate
      unsafe X509_set_version(certificate, 2)
      unsafe ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial)
      _ = unsafe X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
      _ = unsafe X509_gmtime_adj(X509_getm_notAfter(certificate), 10 * 365 * 86400)
      unsafe X509_set_pubkey(certificate, key.raw)
      let bytes = Array(commonName.utf8)
      unsafe X509_NAME_add_entry_by_txt(
        X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, bytes, Int32(bytes.count), -1, 0)
    }
    deinit { unsafe X509_free(raw) }

    func add(_ extensionID: Int32, _ value: String) throws(SetupProblem) {
      guard let made = unsafe X509V3_EXT_conf_nid(nil, nil, extensionID, value) else {
        throw SetupProblem("a certificate cannot be made: \(TLSContext.lastError())")
      }
      unsafe X509_add_ext(raw, made, -1)
      unsafe X509_EXTENSION_free(made)
    }

    func sign(issuer: Certificate, key: Key) throws(SetupProblem) {
      unsafe X509_set_issuer_name(raw, X509_get_subject_name(issuer.raw))
      guard unsafe X509_sign(raw, key.raw, EVP_sha256()) > 0 else {
        throw SetupProblem("a certificate cannot be signed: \(TLSContext.lastError())")
      }
    }

    func write(to path: String) throws(SetupProblem) {
      try unsafe CertificateAuthority.write(to: path, isSecret: false) { output in
        unsafe PEM_write_bio_X509(output, raw)
      }
    }
  }
}

/// `MBSTRING_UTF8` is a macro with a shift.
private let MBSTRING_UTF8: Int32 = 0x1000
