internal import CLibPQ
internal import ChangeModel
internal import Glibc

/// `sslrootcert=system` for every libpq: before 16 it knows no such word, and takes it in no mode but `verify-full`. The
/// distribution's bundle of certificates says the same.
enum SystemCertificates {
  /// Of Debian and Alpine; Fedora, RHEL and Amazon Linux; SUSE; the rest.
  static let bundles = [
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
  ]

  /// The parameters with a bundle in place of the word where libpq needs one.
  static func resolve(
    _ settings: ConnectionSettings, libraryVersion: Int = Int(PQlibVersion()), bundles: [String] = bundles
  ) throws(Failure) -> [(keyword: String, value: String)] {
    let isKnown = libraryVersion >= 160_000 && settings["sslmode"] == "verify-full"
    guard settings["sslrootcert"] == "system", !isKnown else { return settings.parameters }
    guard let bundle = bundles.first(where: { unsafe access($0, R_OK) == 0 }) else {
      throw Failure(
        .configuration, "this system has no bundle of trusted certificates", location: settings.place,
        hint: "Install the package ca-certificates, or name a file in ssl-root-cert.")
    }
    return settings.adding([("sslrootcert", bundle)]).parameters
  }
}
