internal import ChangeModel

/// What a refused connect means, told from the server's text because libpq keeps no SQLSTATE for it.
struct ConnectRefusal {
  var fragment: String
  var isTransient: Bool
  var hint: String
  /// What the server sends beside the text, where that is always the same.
  var state: SQLState?

  /// The first rule whose fragment stands in the text.
  static func matching(_ text: String) -> ConnectRefusal? { rules.first { text.contains($0.fragment) } }

  /// DSQL's own, and what they mean there; the narrower first. (Aurora DSQL user guide, "Troubleshooting".)
  private static let dsql: [ConnectRefusal] = [
    // Its class is that of network faults, and it is none: trying again changes nothing.
    ConnectRefusal(
      fragment: "Wrong user to action mapping", isTransient: false,
      hint: "A token for admin is for admin only, and one for other roles for none but them: check the user.",
      state: "08006"),
    ConnectRefusal(
      fragment: "Signature expired", isTransient: false,
      hint: "Another token was refused as well: compare this machine's clock with another one.", state: "08006"),
    ConnectRefusal(
      fragment: "security token included in the request is expired", isTransient: false,
      hint: "Renew the AWS credentials; the role's session has ended.", state: "08006"),
    ConnectRefusal(
      fragment: "is not authorized", isTransient: false,
      hint: "Allow dsql:DbConnectAdmin for admin, or dsql:DbConnect for any other user, on this cluster in the IAM "
        + "policy of that identity.", state: "08006"),
    ConnectRefusal(
      fragment: "unable to accept connection, access denied", isTransient: false,
      hint:
        "Check the AWS credentials and the region, and that the IAM policy allows dsql:DbConnectAdmin for admin, or "
        + "dsql:DbConnect for any other user; penstock check says whose they are.", state: "08006"),
    ConnectRefusal(
      fragment: "IAM authentication failed", isTransient: false,
      hint:
        "Map the database user to the IAM identity, as admin: AWS IAM GRANT user TO 'arn'; penstock check says both."),
    ConnectRefusal(
      fragment: "too many open connections", isTransient: true,
      hint: "Lower sink.parallelism, close other clients, or have the cluster's quota of connections raised.",
      state: "53300"),
    ConnectRefusal(
      fragment: "rate exceeded", isTransient: true,
      hint: "The cluster takes 100 new connections per second; others connect to it as well.", state: "53400"),
    ConnectRefusal(fragment: "waking up cluster", isTransient: true, hint: "An idle cluster needs a moment."),
    ConnectRefusal(
      fragment: "sni was not received", isTransient: false,
      hint: "Use the cluster's own host name; a DSQL endpoint needs it in the TLS handshake."),
    // OpenSSL's words for a handshake that DSQL broke off.
    ConnectRefusal(
      fragment: "unrecognized SSL error code: 6", isTransient: false,
      hint: "Use the cluster's own host name; a DSQL endpoint needs it in the TLS handshake."),
    ConnectRefusal(
      fragment: "cluster size exceeds", isTransient: false,
      hint: "Have the cluster's storage quota raised, or remove data.", state: "53100"),
    ConnectRefusal(
      fragment: "setting configuration parameter", isTransient: false,
      hint: "Remove the connection option that the server names.", state: "0A000"),
  ]

  private static let rules: [ConnectRefusal] =
    dsql + [
      ConnectRefusal(
        fragment: "password authentication failed", isTransient: false, hint: "Check username and password."),
      ConnectRefusal(
        fragment: "no password supplied", isTransient: false, hint: "Set password in the configuration file."),
      ConnectRefusal(
        fragment: "no pg_hba.conf entry", isTransient: false,
        hint: "Allow this host and user in the server's pg_hba.conf."),
      ConnectRefusal(fragment: "does not exist", isTransient: false, hint: "Check database and user name."),
      ConnectRefusal(
        fragment: "not supported", isTransient: false, hint: "Remove the connection option that the server names."),
      ConnectRefusal(
        fragment: "certificate", isTransient: false,
        hint: "Check ssl-root-cert, and that the host name is the one in the server's certificate."),
      ConnectRefusal(
        fragment: "server does not support SSL", isTransient: false, hint: "Set ssl-mode to what the server offers."),
      ConnectRefusal(
        fragment: "permission denied", isTransient: false, hint: "Grant the user what the server names."),
      ConnectRefusal(
        fragment: "must be superuser or replication role", isTransient: false,
        hint: "ALTER ROLE … REPLICATION on the source."),
      ConnectRefusal(
        fragment: "could not translate host name", isTransient: true, hint: "Check the host name and the resolver."),
      ConnectRefusal(
        fragment: "Network is unreachable", isTransient: true,
        hint: "Check the route; an endpoint has IPv4 and IPv6 addresses, and one of both is enough."),
      ConnectRefusal(
        fragment: "too many", isTransient: true, hint: "Raise the server's connection limit or lower ours."),
    ]
}
