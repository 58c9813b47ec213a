//! Names by which TLS-inspecting products sign the certificates they make up.

/// Words found in the issuers of made-up certificates, in lower case, and the product behind them. Only words that no public CA has in
/// its name: `Symantec` alone, say, would accuse thousands of ordinary sites.
const PRODUCTS: &[(&str, &str)] = &[
    ("zscaler", "Zscaler"),
    ("fortigate", "Fortinet FortiGate"),
    ("fortinet", "Fortinet FortiGate"),
    ("palo alto networks", "Palo Alto Networks"),
    ("netskope", "Netskope"),
    ("goskope", "Netskope"),
    ("blue coat", "Blue Coat ProxySG"),
    ("bluecoat", "Blue Coat ProxySG"),
    ("proxysg", "Blue Coat ProxySG"),
    ("cisco umbrella", "Cisco Umbrella"),
    ("cisco secure access", "Cisco Secure Access"),
    ("cisco web security", "Cisco Secure Web Appliance"),
    ("cisco secure web", "Cisco Secure Web Appliance"),
    ("ironport", "Cisco Secure Web Appliance"),
    ("firepower", "Cisco Firepower"),
    ("sophos", "Sophos"),
    ("check point", "Check Point"),
    ("watchguard", "WatchGuard"),
    ("fireware https proxy", "WatchGuard"),
    ("sonicwall", "SonicWall"),
    ("barracuda", "Barracuda"),
    ("mcafee web gateway", "McAfee Web Gateway"),
    ("skyhigh", "Skyhigh Security"),
    ("trellix", "Trellix"),
    ("forcepoint", "Forcepoint"),
    ("websense", "Forcepoint"),
    ("untangle", "Untangle"),
    ("smoothwall", "Smoothwall"),
    ("iboss", "iboss"),
    ("lightspeed systems", "Lightspeed Systems"),
    ("cato networks", "Cato Networks"),
    ("menlo security", "Menlo Security"),
    ("cloudflare managed g", "Cloudflare Gateway"),
    ("cloudflare for teams", "Cloudflare Gateway"),
    ("securly", "Securly"),
    ("opnsense", "OPNsense"),
    ("pfsense", "pfSense"),
    ("kaspersky", "Kaspersky"),
    ("eset ssl filter", "ESET"),
    ("avast", "Avast Web Shield"),
    ("avg web", "AVG Web Shield"),
    ("bitdefender", "Bitdefender"),
    ("dr.web", "Dr.Web"),
    ("adguard", "AdGuard"),
    ("net nanny", "Net Nanny"),
    ("qustodio", "Qustodio"),
    ("superfish", "Superfish"),
    ("mitmproxy", "mitmproxy"),
    ("charles proxy", "Charles"),
    ("do_not_trust", "Fiddler"),
    ("fiddler", "Fiddler"),
    ("portswigger", "Burp Suite"),
    ("owasp zed attack proxy", "OWASP ZAP"),
    ("zed attack proxy root", "OWASP ZAP"),
    ("proxyman", "Proxyman"),
    ("http toolkit", "HTTP Toolkit"),
];

/// The TLS-inspecting product that issued a certificate, judged by the issuer's name. A name proves nothing by itself: a vendor's
/// own sites may have certificates of the vendor's own CA.
pub fn inspection_product(issuer: &str) -> Option<&'static str> {
    known(issuer).map(|(_, product)| product)
}

/// The words, in lower case, by which it is known.
pub fn inspection_word(issuer: &str) -> Option<&'static str> {
    known(issuer).map(|(word, _)| word)
}

fn known(issuer: &str) -> Option<(&'static str, &'static str)> {
    let issuer = issuer.to_lowercase();
    PRODUCTS.iter().find(|(word, _)| issuer.contains(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inspecting_products_are_known_by_their_issuer() {
        for (issuer, product) in [
            ("CN=Zscaler Intermediate Root CA (zscalertwo.net) (t) ,OU=Zscaler Inc.,O=Zscaler Inc.", "Zscaler"),
            ("emailAddress=support@fortinet.com,CN=FG100F0000000000,OU=Certificate Authority,O=Fortinet,C=US", "Fortinet FortiGate"),
            ("CN=mitmproxy,O=mitmproxy", "mitmproxy"),
            ("CN=DO_NOT_TRUST_FiddlerRoot,O=DO_NOT_TRUST,OU=Created by http://www.fiddler2.com", "Fiddler"),
            ("CN=PortSwigger CA,OU=PortSwigger CA,O=PortSwigger", "Burp Suite"),
            ("CN=avast! Web/Mail Shield Root,O=avast! Web/Mail Shield", "Avast Web Shield"),
            ("CN=Gateway CA - Cloudflare Managed G1,O=Cloudflare\\, Inc.", "Cloudflare Gateway"),
        ] {
            assert_eq!(inspection_product(issuer), Some(product), "{issuer}");
        }
    }

    #[test]
    fn public_cas_are_not_accused() {
        for issuer in [
            "CN=R11,O=Let's Encrypt,C=US",
            "CN=DigiCert TLS RSA SHA256 2020 CA1,O=DigiCert Inc,C=US",
            "CN=Symantec Class 3 Secure Server CA - G4,OU=Symantec Trust Network,O=Symantec Corporation,C=US",
            "CN=Cloudflare Inc ECC CA-3,O=Cloudflare\\, Inc.,C=US",
            "CN=Cisco RXC-R2,O=Cisco Systems",
            "CN=GlobalSign ECC OV SSL CA 2018,O=GlobalSign nv-sa,C=BE",
            "CN=WE2,O=Google Trust Services,C=US",
            "CN=Amazon RSA 2048 M02,O=Amazon,C=US",
            "CN=Example Corp Internal CA,O=Example Corp",
            "",
        ] {
            assert_eq!(inspection_product(issuer), None, "{issuer}");
        }
    }
}
