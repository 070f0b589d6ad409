"""The file that `tocsin init` writes: small, valid, and explaining itself."""

STARTER = """\
# What to check, when to alert, whom to tell. `tocsin check` reads this file and lists every mistake in it.
version: 1

# Values that differ from place to place; the first environment is used unless --env names another.
# ${env:NAME} reads an environment variable when the file is loaded, ${env:NAME:-default} has a fallback,
# ${file:/run/secrets/x} reads a file.
environments:
  local: {base_url: "${env:BASE_URL:-http://127.0.0.1:8000}"}
  # production: {base_url: "https://www.example.com"}

# Any apprise address. A channel hears of alerts at or above its min_severity, from rules that name it.
channels:
  # ops: {url: "${env:OPS_URL}", min_severity: WARNING}

workflows:
  # Steps run in order, or as soon as those in their `needs: [login]` are done. A value that one step extracts
  # is {{ step.name }} in those after it.
  - id: sign-in
    name: Sign in
    priority: critical              # low, normal, high, critical
    every: 30s
    timeout: 15s                    # for one execution, retries included
    retry: default                  # default, aggressive, fast, or {max_attempts: 3, initial_delay: 1s}
    breaker: {threshold: 5, reset: 60s}
    tags: [auth]
    steps:
      - id: login
        http:
          method: POST
          url: "{{ env.base_url }}/login"
          json: {user: demo, password: "${env:DEMO_PASSWORD:-demo}"}
        expect: ["status == 200", "duration < 800ms", "json.token != null"]
        extract: {token: json.token}
      - id: profile
        http:
          url: "{{ env.base_url }}/me"
          headers: {Authorization: "Bearer {{ login.token }}"}
        retry: fast                   # this step alone; the workflow's own retry begins again at the login
        expect: ["status == 200"]
        degraded: ["json.name != null"]   # worth a look, but not down

  - id: front-page
    name: Front page
    cron: "*/5 * * * *"             # minute hour day month weekday
    timezone: UTC
    steps:
      - id: get
        foreach: ["/", "/about"]      # or a list that an earlier step got back: "{{ shops.json.items }}"
        http: {url: "{{ env.base_url }}{{ item.value }}"}
        expect: ["status == 200", "size > 0"]

rules:
  - id: critical-failure
    name: A critical workflow fails
    severity: CRITICAL
    conditions:
      - {type: THRESHOLD, metric: workflow.priority, operator: "==", value: critical}
      - {type: THRESHOLD, metric: workflow.consecutive_failures, operator: ">=", value: 2}
    cooldown: 5m                    # the same alert does not fire again sooner

  - id: slow
    name: Slow responses
    severity: WARNING
    conditions:
      - {type: RATE, metric: workflow.duration, operator: ">", value: 2s, window: 10m, rate: 20}
    for: 1m                         # must hold this long before it fires

  - id: low-success
    name: Low success rate
    severity: ERROR
    workflows: ["*"]                # ids; * stands for anything
    conditions:
      - {type: THRESHOLD, metric: workflow.success_rate, operator: "<", value: 80%, window: 15m}
    # escalation: {after: 15m, severity: CRITICAL, channels: [ops]}
    # channels: [ops]
"""
