//! The documentation from its first command to its last, run as printed. What comes out is
//! `docs/walkthrough.md`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::cluster::{Cluster, documented, have};
use super::normal::normal;
use crate::support::figure;

/// A command of the page, and what its output must have.
struct Step {
    /// What the page says that it is for.
    what: &'static str,
    line: String,
    code: i32,
    /// Pieces of output, each of which must be there once the controller has been at it.
    parts: Vec<String>,
    /// Whether it is on the page, or prepares for what is.
    printed: bool,
}

fn step(what: &'static str, line: &str, parts: &[&str]) -> Step {
    Step {
        what,
        line: line.to_owned(),
        code: 0,
        parts: parts.iter().map(|part| (*part).to_owned()).collect(),
        printed: true,
    }
}

impl Step {
    fn fails(mut self) -> Self {
        self.code = 1;
        self
    }

    fn prepares(mut self) -> Self {
        self.printed = false;
        self
    }
}

/// The walkthrough as it is written.
struct Page {
    text: String,
    commands: usize,
    worked: usize,
    wrong: Vec<String>,
}

impl Page {
    fn chapter(&mut self, title: &str, text: &str) {
        let _ = write!(self.text, "\n## {title}\n\n{text}\n");
    }

    /// Runs the steps in order and writes down what they print.
    fn run(&mut self, cluster: &mut Cluster, steps: Vec<Step>) {
        for step in steps {
            cluster.curlrc();
            let begun = std::time::Instant::now();
            let all = loop {
                let run = cluster.sh(&step.line);
                let all = if run.out.ends_with('\n') || run.out.is_empty() {
                    format!("{}{}", run.out, run.err)
                } else {
                    format!("{}\n{}", run.out, run.err)
                };
                let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                let said = words(&all);
                let fits = run.code == Some(step.code)
                    && step.parts.iter().all(|part| said.contains(&words(part)));
                // "This can take minutes", as the page says.
                if fits || begun.elapsed() > std::time::Duration::from_secs(10) {
                    if !fits {
                        self.wrong.push(format!(
                            "`{}` ends with {:?} and prints, without one of {:?}:\n{all}",
                            step.line, run.code, step.parts
                        ));
                    } else if step.printed {
                        self.worked += 1;
                    }
                    break all;
                }
            };
            self.commands += usize::from(step.printed);
            let home = cluster.at(".").display().to_string();
            let shown = all.replace(&home, "~");
            let _ = write!(
                self.text,
                "\n{}\n\n```console\n$ {}\n{}\n```\n",
                step.what,
                step.line,
                shown.replace('\r', "").trim_end()
            );
        }
    }
}

fn walkthrough() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/walkthrough.md")
}

const CONDITION: &str = "Reason: ProgrammingSucceeded Status: True Type: Programmed";

#[test]
fn every_command_of_the_documentation_works_as_printed() {
    if !have(&["kubectl", "curl", "openssl"]) {
        return;
    }
    let mut page = Page {
        text: "# The documentation's commands, on this machine\n\n\
               Google's page on customising Gateway traffic with Service Extensions, followed line by \
               line. The load balancer is `gatewright serve --kube`, a development server for these \
               kinds; everything else is stock `kubectl` and `curl`. A test runs these commands, \
               compares what they print with this page, and writes it anew with \
               `GATEWRIGHT_WALKTHROUGH=write`.\n"
            .to_owned(),
        commands: 0,
        worked: 0,
        wrong: Vec::new(),
    };
    services(&mut page);
    plugins(&mut page);
    troubleshooting(&mut page);
    figure("doc-commands", &page.worked.to_string());
    figure("doc-commands-printed", &page.commands.to_string());
    assert!(page.wrong.is_empty(), "{}", page.wrong.join("\n\n"));
    let path = walkthrough();
    if std::env::var("GATEWRIGHT_WALKTHROUGH").is_ok_and(|what| what == "write") {
        let folder = path.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(&path, &page.text).expect("it is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        normal(&page.text),
        normal(&kept),
        "docs/walkthrough.md is stale: run this test with GATEWRIGHT_WALKTHROUGH=write"
    );
}

/// The Services of the store, which the page takes for granted.
fn store() -> String {
    ["store-v1", "store-v2", "store-german"]
        .map(|name| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  selector:\n    app: {name}\n  ports:\n  - port: 8080\n    targetPort: 8080\n"
            )
        })
        .join("---\n")
}

/// The lines of a callout's curl that differ from machine to machine are left to `normal`.
fn curl(scheme: &str, port: u16, cluster: &Cluster) -> String {
    let trust = if scheme == "https" {
        " --cacert cacert.pem"
    } else {
        ""
    };
    format!(
        "curl {scheme}://store.example.com/serviceextensions --resolve store.example.com:{port}:{}{trust} -v",
        cluster.address
    )
}

fn services(page: &mut Page) {
    const GATEWAY: &str = "internal-http";
    page.chapter(
        "Refer to a Service",
        "The Gateway is there before: `gatewright serve --kube --gateway internal-http=gke-l7-rilb`.",
    );
    let mut cluster = Cluster::start(&["--gateway", "internal-http=gke-l7-rilb"]);
    cluster.file("store.yaml", store());
    for name in [
        "store-route.yaml",
        "store-route-without-space.yaml",
        "gcp-routing-extension.yaml",
        "gcp-traffic-extension.yaml",
    ] {
        cluster.page(name, GATEWAY);
    }
    let route = documented("store-route.yaml")
        .replace("GATEWAY_NAME", GATEWAY)
        .replace("service-extensions.example.com", "service-extensions.com");
    cluster.file("store-route.yaml", route);
    let app = documented("extension-service-app.yaml").replace("SECRET_NAME", "callout-tls");
    cluster.file("extension-service-app.yaml", app);
    let made = cluster.sh(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=myext.com -addext subjectAltName=DNS:myext.com -keyout path-to-key -out path-to-cert",
    );
    assert_eq!(made.code, Some(0), "{}", made.err);
    let address = cluster.address.to_string();
    let describe_gateway = format!("kubectl describe gateway {GATEWAY}");
    let get_address = format!(
        "kubectl get gateways.gateway.networking.k8s.io {GATEWAY} -o=jsonpath=\"{{.status.addresses[0].value}}\""
    );
    let attached = |kind: &str, name: &str| {
        format!(
            "Attachment of {kind} \"default/{name}\" to AncestorRef {{Group: \"gateway.networking.k8s.io\", Kind: \"Gateway\", Namespace: \"default\", Name: \"{GATEWAY}\", SectionName: nil, Port: nil}} was a success"
        )
    };
    let routed = attached("GCPRoutingExtension", "my-gateway-extension");
    let trafficked = attached("GCPTrafficExtension", "my-traffic-extension");
    let curl = curl("http", 80, &cluster);
    page.run(
        &mut cluster,
        vec![
            step("The store, which the page takes for granted.", "kubectl apply -f store.yaml", &["service/store-v1 created"]).prepares(),
            step("A Secret for TLS.", "kubectl create secret tls callout-tls --cert=path-to-cert --key=path-to-key", &["secret/callout-tls created"]),
            step("Make sure that it was added.", "kubectl get secrets callout-tls", &["NAME TYPE DATA AGE callout-tls kubernetes.io/tls 2"]),
            step("The backend callout service.", "kubectl apply -f extension-service-app.yaml", &["deployment.apps/extension-service-app created", "service/extension-service created"]),
            step("Make sure that the application was deployed.", "kubectl get pod --selector app=store", &["NAME READY STATUS RESTARTS AGE extension-service-app-", "1/1 Running 0"]),
            step("Make sure that the Service was deployed.", "kubectl get service extension-service", &["NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE extension-service ClusterIP 34.118.", "<none> 443/TCP"]),
            step("The page's first `store-route.yaml` lacks a blank after `name:`, which is told.", "kubectl apply -f store-route-without-space.yaml", &["error: error parsing store-route-without-space.yaml: error converting YAML to JSON: yaml:"]).fails(),
            step("With the blank, and with the host that the page's own output has: it prints `service-extensions.example.com`, while the callout asks for `service-extensions.com`.", "kubectl apply -f store-route.yaml", &["httproute.gateway.networking.k8s.io/store created"]),
            step("The routing extension.", "kubectl apply -f gcp-routing-extension.yaml", &["gcproutingextension.networking.gke.io/my-gateway-extension created"]),
            step("Make sure that it was deployed.", "kubectl describe gcproutingextension my-gateway-extension", &["Spec: Extension Chains: Extensions: Authority: myext.com Backend Ref: Group: Kind: Service Name: extension-service Port: 443 Name: ext1 Timeout: 1s", &routed]),
            step("Make sure that it is bound to the Gateway.", &describe_gateway, &["networking.gke.io/lb-route-extensions: projects/1234567890/locations/us-central1/lbRouteExtensions/", "Finalizers: gateway.finalizer.networking.gke.io"]),
            step("Make sure that it is programmed.", "kubectl describe gcproutingextension my-gateway-extension", &[CONDITION, &routed]),
            step("The Gateway's address.", &get_address, &[&address]),
            step("The callout answers on the way.", &curl, &["HTTP/1.1 200 OK", "\"metadata\": \"store-v1\""]),
            step("Traffic extensions: the route is the same. It is `configured` again, since lists of custom kinds are compared without the server's defaults.", "kubectl apply -f store-route.yaml", &["httproute.gateway.networking.k8s.io/store configured"]),
            step("The routing extension would send the request to `/`, which this one does not care for; the page has each by itself.", "kubectl delete -f gcp-routing-extension.yaml", &["deleted"]).prepares(),
            step("The traffic extension.", "kubectl apply -f gcp-traffic-extension.yaml", &["gcptrafficextension.networking.gke.io/my-traffic-extension created"]),
            step("Make sure that it was deployed.", "kubectl describe gcptrafficextension my-traffic-extension", &["Cel Matcher: request.path.contains(\"serviceextensions\")", &trafficked]),
            step("Make sure that it is bound to the Gateway.", &describe_gateway, &["networking.gke.io/lb-traffic-extensions: projects/1234567890/locations/us-central1/lbTrafficExtensions/"]),
            step("Make sure that it is programmed.", "kubectl describe gcptrafficextension my-traffic-extension", &[CONDITION, &trafficked]),
            step("The Gateway's address.", &get_address, &[&address]),
            step("The callout has added a header to the response.", &curl, &["HTTP/1.1 200 OK", "hello: service-extensions"]),
        ],
    );
}

fn plugins(page: &mut Page) {
    const GATEWAY: &str = "external-http";
    page.chapter(
        "Refer to a GCPWasmPlugin",
        "The Gateway is there before: `gatewright serve --kube --gateway external-http=gke-l7-global-external-managed`.",
    );
    let mut cluster =
        Cluster::start(&["--gateway", "external-http=gke-l7-global-external-managed"]);
    cluster.file("store.yaml", store());
    for name in [
        "store-route.yaml",
        "wasm-plugin.yaml",
        "wasm-plugin-two-versions.yaml",
        "gcp-traffic-extension-with-plugin.yaml",
    ] {
        cluster.page(name, GATEWAY);
    }
    let address = cluster.address.to_string();
    let describe_gateway = format!("kubectl describe gateway {GATEWAY}");
    let extension =
        "kubectl describe gcptrafficextensions.networking.gke.io gcp-traffic-extension-with-plugin";
    let plugin = "kubectl describe gcpwasmplugins.networking.gke.io gcp-wasm-plugin";
    let programming = |kind: &str, name: &str| {
        format!(
            "Programming of {kind} \"default/{name}\" to AncestorRef {{Group: \"gateway.networking.k8s.io\", Kind: \"Gateway\", Namespace: \"default\", Name: \"{GATEWAY}\", SectionName: nil, Port: nil}} was a success"
        )
    };
    let get_address = format!(
        "kubectl get gateways.gateway.networking.k8s.io {GATEWAY} -o=jsonpath=\"{{.status.addresses[0].value}}\""
    );
    let curl = curl("https", 443, &cluster);
    page.run(
        &mut cluster,
        vec![
            step("The store and its route, which the page takes for granted.", "kubectl apply -f store.yaml -f store-route.yaml", &["service/store-v1 created", "httproute.gateway.networking.k8s.io/store created"]).prepares(),
            step("The plugin.", "kubectl apply -f wasm-plugin.yaml", &["gcpwasmplugin.networking.gke.io/gcp-wasm-plugin created"]),
            step("Make sure that it was deployed.", plugin, &["Spec: Log Config: Enabled: true Min Log Level: INFO Sample Rate: 1000000 Versions: Description: Test wasm plugin version Image: us-docker.pkg.dev/service-extensions-samples/plugins/local-reply:main Name: wasm-plugin-version Weight: 1000000 Events: <none>"]),
            step("The extension that uses it.", "kubectl apply -f gcp-traffic-extension-with-plugin.yaml", &["gcptrafficextension.networking.gke.io/gcp-traffic-extension-with-plugin created"]),
            step("Make sure that it was deployed.", extension, &["Backend Ref: Group: networking.gke.io Kind: GCPWasmPlugin Name: gcp-wasm-plugin Name: ext1 Supported Events: RequestHeaders ResponseHeaders", &programming("GCPTrafficExtension", "gcp-traffic-extension-with-plugin")]),
            step("Make sure that it is bound to the Gateway.", &describe_gateway, &["networking.gke.io/lb-traffic-extensions:", "networking.gke.io/wasm-plugin-versions:", "networking.gke.io/wasm-plugins:"]),
            step("Make sure that it is programmed.", extension, &[CONDITION, &programming("GCPTrafficExtension", "gcp-traffic-extension-with-plugin")]),
            step("Make sure that the plugin is.", plugin, &[CONDITION, &programming("WasmPlugin", "gcp-wasm-plugin")]),
            step("The Gateway's address.", &get_address, &[&address]),
            step("The plugin answers.", &curl, &["Hello World"]),
            step("An update: two versions, of which the first serves.", "cp wasm-plugin-two-versions.yaml wasm-plugin.yaml", &[]).prepares(),
            step("The update is applied as the plugin was.", "kubectl apply -f wasm-plugin.yaml", &["gcpwasmplugin.networking.gke.io/gcp-wasm-plugin configured"]),
            step("Make sure that the Gateway was updated.", &describe_gateway, &["wasm-plugin-version-v1-", "networking.gke.io/wasm-plugins:"]),
        ],
    );
}

fn troubleshooting(page: &mut Page) {
    const GATEWAY: &str = "external-http";
    page.chapter(
        "Troubleshooting",
        "The API server takes each of these, as GKE's CRDs do; the documentation's sentence is the \
         message of the condition.",
    );
    let mut cluster =
        Cluster::start(&["--gateway", "external-http=gke-l7-global-external-managed"]);
    for name in [
        "missing-gateway.yaml",
        "missing-service.yaml",
        "missing-port.yaml",
        "no-endpoints.yaml",
        "missing-plugin.yaml",
    ] {
        cluster.page(name, GATEWAY);
    }
    // The Service comes first, or the extension is without one for a moment and may be told so.
    let both = documented("no-endpoints.yaml").replace("GATEWAY_NAME", GATEWAY);
    let (extension, service) = both.split_once("---\n").expect("two documents");
    cluster.file("no-endpoints.yaml", format!("{service}---\n{extension}"));
    let describe = "kubectl describe gcptrafficextension my-traffic-extension";
    let sentence = |what: &str| {
        format!(
            "error: failed to create resource: GCPTrafficExtension.networking.gke.io \"my-traffic-extension\" is invalid: {what}"
        )
    };
    let service =
        sentence("spec.service: service \"callout-service\" not found in namespace \"default\"");
    let remove = |file: &str| {
        let line = format!("kubectl delete -f {file}");
        step("And away with it.", &line, &["deleted"]).prepares()
    };
    page.run(
        &mut cluster,
        vec![
            step("Gateway not found.", "kubectl apply -f missing-gateway.yaml", &["created"]).prepares(),
            step("The condition says so.", describe, &[&sentence("spec.gatewayRef: gateway \"my-gateway\" not found in namespace \"default\"")]),
            remove("missing-gateway.yaml"),
            step("Service not found.", "kubectl apply -f missing-service.yaml", &["created"]).prepares(),
            step("The condition says so.", describe, &[&service]),
            remove("missing-service.yaml"),
            step("Service port not found.", "kubectl apply -f missing-port.yaml", &["created"]).prepares(),
            step("The condition says so.", describe, &[&service]),
            remove("missing-port.yaml"),
            step("No network endpoints.", "kubectl apply -f no-endpoints.yaml", &["created"]).prepares(),
            step("The condition says so.", describe, &[&sentence("spec.service: no network endpoints found for service \"callout-service\"")]),
            remove("no-endpoints.yaml"),
            step("GCPWasmPlugin does not exist.", "kubectl apply -f missing-plugin.yaml", &["created"]).prepares(),
            step(
                "The condition says so.",
                "kubectl describe gcptrafficextension my-gateway-plugin-extension",
                &[
                    "Message: error cause: invalid-wasm-plugin: GCPWasmPlugin default/my-wasm-plugin in GCPTrafficExtension default/my-gateway-plugin-extension does not exist",
                    "Reason: GCPWasmPluginNotFound Status: False Type: ResolvedRefs Controller Name: networking.gke.io/gateway",
                ],
            ),
        ],
    );
}
